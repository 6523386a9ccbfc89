/** Notices of one kind that follow each other are shown as one line that opens: a storm is not a thousand lines. */
import type { NoticeRow } from '../../api/shapes.ts';

export interface Bundle {
  first: NoticeRow;
  rest: NoticeRow[];
}

/** From how many of one kind on they are put together. */
export const TOGETHER = 4;

/** Rows in their order, runs of one kind put together. */
export function bundled(rows: readonly NoticeRow[]): Bundle[] {
  const found: Bundle[] = [];
  let at = 0;
  while (at < rows.length) {
    const first = rows[at];
    if (!first) break;
    let end = at + 1;
    while (end < rows.length && alike(first, rows[end])) end += 1;
    if (end - at >= TOGETHER) found.push({ first, rest: rows.slice(at + 1, end) });
    else for (const row of rows.slice(at, end)) found.push({ first: row, rest: [] });
    at = end;
  }
  return found;
}

function alike(one: NoticeRow, other: NoticeRow | undefined): boolean {
  return !!other && one.kind === other.kind && !one.read_at === !other.read_at;
}
