// Columns of text, aligned for a terminal.

const width = (text: string): number => Array.from(text).length;

const padded = (text: string, to: number): string =>
  text + " ".repeat(Math.max(0, to - width(text)));

/**
 * Rows under a head, two spaces between columns, each line ended. The rows' cells stand as they are: text of
 * others is made fit for a terminal first (contracts/shown-text.ts).
 */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ""))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => padded(cell, widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return all.map((row) => `${line(row)}\n`).join("");
};
