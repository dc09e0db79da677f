/** Lines of cells as columns, the header first; the last column is not padded. Ends with a newline. */
export function drawTable(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const all = [header, ...lines];
  const widths = header.map((_, column) => Math.max(...all.map((line) => [...line[column]!].length)));
  const draw = (line: readonly string[]) =>
    line
      .map((cell, column) => cell + ' '.repeat(widths[column]! - [...cell].length))
      .join('  ')
      .trimEnd();
  return `${all.map(draw).join('\n')}\n`;
}
