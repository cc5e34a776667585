/** Writes sample reports to look at: `node test/report/write-samples.ts DIRECTORY`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import { renderReport } from '../../pipeline/report/html.ts';
import { manualClock } from '../journal/bench.ts';
import { type Story, tellStory } from './story.ts';

const directory = process.argv[2] ?? '.';
await mkdir(directory, { recursive: true });
const stories: Record<string, Partial<Story>> = {
  promoted: {},
  'rolled-back': { fault: 'unhealthy', emergency: true },
  resumed: { interrupted: true },
};
for (const [name, variation] of Object.entries(stories)) {
  const clock = manualClock();
  const journal = createMemoryJournal('r-20261122-063412-k7wq', clock);
  const documents = new Map<string, string>();
  const write = async (path: string, text: string) => {
    if (path.endsWith('.json')) documents.set(path, text);
  };
  await tellStory({ journal, clock, write, ...variation });
  await writeFile(join(directory, `${name}.html`), renderReport(journal.records(), documents));
}
