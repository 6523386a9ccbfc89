/** How a stage looks: a colour that goes with its number and name, never instead of them. */

const TONES = ['', '--accent', '--sev-4', '--sev-3', '--sev-2', '--sev-1'] as const;

/** The colour of a stage, as a value of CSS. */
export function toneOf(stage: number): string {
  return `var(${TONES[Math.min(5, Math.max(1, Math.round(stage)))]})`;
}

export const STAGES = [1, 2, 3, 4, 5] as const;
