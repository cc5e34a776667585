import { configDefaults, defineConfig } from 'vitest/config';

// Child processes and loopback servers on a busy two-core machine; a test that hangs still fails.
const patience = { testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'drover',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, 'test/image/**'],
          ...patience,
        },
      },
      // Real images, made and booted: needs root and minutes.
      { test: { name: 'image', include: ['test/image/**/*.test.ts'], ...patience } },
    ],
  },
});
