/** The text of a section as pieces: paragraphs and items of a list, each of words and marks that point to notes. */

export type Piece = { text: string } | { note: number };
export interface Block {
  item: boolean;
  pieces: Piece[];
}

const MARK = /\[\^(\d{1,4})\]/g;

/** A line with its marks apart. */
export function pieces(line: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const mark of line.matchAll(MARK)) {
    if (mark.index > at) found.push({ text: line.slice(at, mark.index) });
    found.push({ note: Number(mark[1]) });
    at = mark.index + mark[0].length;
  }
  if (at < line.length) found.push({ text: line.slice(at) });
  return found;
}

/** A text as the paper shows it: empty lines part paragraphs, "- " begins an item. */
export function blocks(text: string): Block[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line)
    .map((line) =>
      line.startsWith('- ')
        ? { item: true, pieces: pieces(line.slice(2).trim()) }
        : { item: false, pieces: pieces(line) },
    );
}

/** Marks that point to no note of the report: the server would refuse them. */
export function lost(text: string, notes: readonly { number: number }[]): number[] {
  const known = new Set(notes.map((note) => note.number));
  return [...text.matchAll(MARK)].map((mark) => Number(mark[1])).filter((number) => !known.has(number));
}
