/** Numbers as pasted: JSON, or separated by commas, semicolons or white space. Throws a sentence for people. */
export function parseVector(text: string, width: number): number[] {
  const words = text
    .replace(/[[\]();,]/g, ' ')
    .trim()
    .split(/\s+/)
    .filter(Boolean);
  const numbers = words.map(Number);
  const bad = numbers.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new Error(`“${words[bad]!.slice(0, 40)}” is not a number (number ${bad + 1} of ${words.length}).`);
  if (numbers.length !== width) {
    throw new Error(
      `Expected ${width} numbers, the classifier’s penultimate features; got ${numbers.length}.`,
    );
  }
  return numbers;
}
