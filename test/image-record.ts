/** An image as `build` records it, for tests that ask something of one: no disk, and a lineage that says nothing. */
import type { ImageRecord } from '../pipeline/image.ts';

export const imageRecord = (changes: Partial<ImageRecord> = {}): ImageRecord => ({
  schema: 'drover/image@1',
  id: 'ami-1',
  name: 'base',
  distribution: 'debian-12',
  role: 'base',
  architecture: 'x86_64',
  release: 'r-1',
  builtAt: '2026-11-22T00:00:00.000Z',
  builder: 'chroot',
  disk: null,
  lineage: {
    base: { id: '', description: '', inputs: {} },
    provisioners: '',
    hardening: { content: { package: '', version: '', file: '', sha256: '' }, profile: '', tailoring: '' },
    tools: {},
    source: { commit: null, dirty: false },
  },
  ...changes,
});
