/** What is next in an incident, and which of its steps stand side by side: pure. */
import type { Step } from '../../api/shapes.ts';

const OPEN = new Set<Step['state']>(['ready', 'started']);

/** The steps that somebody can work on now, the nearest deadline first; those begun before those that wait. */
export function nextSteps(steps: readonly Step[]): Step[] {
  const due = (step: Step) => (step.due_at ? Date.parse(step.due_at) : Infinity);
  return steps
    .filter((step) => OPEN.has(step.state))
    .sort(
      (a, b) =>
        (due(a) === due(b) ? 0 : due(a) - due(b)) ||
        Number(b.state === 'started') - Number(a.state === 'started'),
    );
}

/** Whether a step cannot be finished without evidence. */
export function wantsEvidence(step: Pick<Step, 'wants'>): boolean {
  return !!step.wants;
}

/** Rows of steps: those of one row may run at the same time, each comes after something of the row before. */
export function rowsOf<T extends { id: string; after: readonly string[] }>(steps: readonly T[]): T[][] {
  const depth = new Map<string, number>();
  const rows: T[][] = [];
  for (const step of steps) {
    const at = Math.max(-1, ...step.after.map((id) => depth.get(id) ?? -1)) + 1;
    depth.set(step.id, at);
    (rows[at] ??= []).push(step);
  }
  return rows;
}

/** Number of what was typed in the way of either language; NaN when it is none. */
export function typedNumber(text: string): number {
  const bare = text.trim().replace(/\s/g, '').replace(',', '.');
  return /^[+-]?\d+(\.\d+)?$/.test(bare) ? Number(bare) : NaN;
}
