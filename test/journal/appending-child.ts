/** Run as a child process: appends for ever to the journal in argv[2], printing each seq once it is written. */
import { writeSync } from 'node:fs';
import { wallClock } from '../../pipeline/clock.ts';
import { createJournal, openJournal } from '../../pipeline/journal/directory.ts';
import { note, opened } from './bench.ts';

const [, , directory = '', mode] = process.argv;
const journal =
  mode === 'create'
    ? await createJournal({ directory, release: 'r-child', clock: wallClock })
    : await openJournal({ directory, clock: wallClock });
if (mode === 'create') await journal.append(opened('r-child'));
for (;;) {
  const record = await journal.append(note('x'.repeat(2000)));
  writeSync(1, `${record.seq}\n`);
}
