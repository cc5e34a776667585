/** Columns for a terminal. A report made for people keeps within `terminalWidth`. */
const terminalWidth = 100;

/** Words in lines of at most `terminalWidth`, all but the first indented two more than `indent`. */
export function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    const isFirst = line.trim() === '';
    if (!isFirst && line.length + 1 + word.length > terminalWidth) {
      lines.push(line);
      line = `${indent}  ${word}`;
    } else line = isFirst ? `${line}${word}` : `${line} ${word}`;
  }
  return [...lines, line];
}

/** A name that may be as long as AWS allows, in a column that may not. */
export const shortened = (name: string, limit: number): string =>
  name.length <= limit ? name : `${name.slice(0, limit - 1)}…`;

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
