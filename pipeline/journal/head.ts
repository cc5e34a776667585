/**
 * `journal.head`: how many records the journal is known to hold and the digest of the last one. A chain proves
 * every line but its last, and cannot show that whole lines were cut off its end; the head does both. Written
 * after each append, so after a crash it may be one record behind, never ahead.
 *
 * The file has two fixed-size slots that are written in turn, in place: a write torn by a crash spoils only the
 * newer one.
 */
import type { FileHandle } from 'node:fs/promises';
import type { ChainHead } from './chain.ts';

export const headFileName = 'journal.head';

const slotBytes = 12 + 1 + 64 + 1;

/** Writes `head` into its slot and makes it durable. */
export async function writeHead(handle: FileHandle, head: ChainHead): Promise<void> {
  const slot = `${String(head.records).padStart(12, '0')} ${head.sha256}\n`;
  await handle.write(slot, (head.records % 2) * slotBytes, 'utf8');
  await handle.datasync();
}

/** Makes `head` the only one in the file. A crash in the middle leaves the file as it was, or as intended. */
export async function resetHead(handle: FileHandle, head: ChainHead): Promise<void> {
  await writeHead(handle, head);
  const otherSlot = ((head.records + 1) % 2) * slotBytes;
  await handle.write(`${' '.repeat(slotBytes - 1)}\n`, otherSlot, 'utf8');
  await handle.datasync();
}

/** The newer readable slot; null when neither is. */
export function parseHead(text: string): ChainHead | null {
  const slots = [text.slice(0, slotBytes), text.slice(slotBytes, 2 * slotBytes)].flatMap((slot, index) => {
    const match = /^(\d{12}) ([0-9a-f]{64})\n$/.exec(slot);
    const records = Number(match?.[1]);
    return match?.[2] && records % 2 === index ? [{ records, sha256: match[2] }] : [];
  });
  return slots.sort((a, b) => b.records - a.records)[0] ?? null;
}
