/** Text of tools, consoles and logs, as lines to read or fit to show. */
import { readFile } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';

/** The lines that hold something. */
export const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** A console's or log's last line that says something, without control characters; '' for none yet. */
export const lastLine = (text: string): string =>
  stripVTControlCharacters(text)
    .split(/[\r\n]+/)
    .map((line) =>
      line
        .replaceAll('\t', ' ')
        .replace(/[^\x20-\x7e\u00a0-\uffff]/g, '')
        .trim(),
    )
    .findLast((line) => line !== '')
    ?.slice(0, 160) ?? '';

/** `lastLine` of a file that may not exist yet. */
export const readTail = (path: string): Promise<string> =>
  readFile(path, 'utf8').then(
    (text) => lastLine(text.slice(-4000)),
    () => '',
  );
