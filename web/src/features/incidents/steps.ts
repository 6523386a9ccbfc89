/** What is next in an incident: pure. */
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
export function wantsEvidence(step: Step): boolean {
  return !!step.wants;
}
