import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Child processes and loopback servers on a busy two-core machine; a test that hangs still fails.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
