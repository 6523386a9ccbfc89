/**
 * Keys: what a single key does on this page. Screens name theirs while they are open; the help (`?`) lists
 * them. Single keys are silent while somebody types, while a dialog is open, and when they are turned off.
 */
import { look } from '../lib/theme.svelte.ts';

export interface KeyAct {
  /** A key (`a`, `/`, `ArrowDown`), or two one after the other (`g o`). */
  keys: string;
  label: string;
  act: (event: KeyboardEvent) => void;
  /** Not in the help, because another line says it. */
  quiet?: boolean;
}

class Known {
  groups = $state.raw<readonly (readonly KeyAct[])[]>([]);
}

export const known = new Known();

// Beside the state, not in it: what ends reads state as it was before, and would forget who came meanwhile.
let held: readonly (readonly KeyAct[])[] = [];

/** Let these keys work for as long as the calling component lives. */
export function keys(acts: () => readonly KeyAct[]) {
  $effect(() => {
    const group = acts();
    known.groups = held = [...held, group];
    return () => {
      known.groups = held = held.filter((each) => each !== group);
    };
  });
}

let first: { key: string; at: number } | null = null;

function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** Listen to the keyboard; returns how to stop. */
export function listenToKeys(): () => void {
  const pressed = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!look.singleKeys || typing(event.target) || document.querySelector('dialog[open]')) return;
    const chord = first && event.timeStamp - first.at < 1500 ? `${first.key} ${event.key}` : null;
    first = null;
    const all = known.groups.toReversed().flat();
    const act =
      (chord && all.find((each) => each.keys === chord)) || all.find((each) => each.keys === event.key);
    if (act) {
      event.preventDefault();
      act.act(event);
    } else if (all.some((each) => each.keys.startsWith(`${event.key} `))) {
      first = { key: event.key, at: event.timeStamp };
    }
  };
  window.addEventListener('keydown', pressed);
  return () => window.removeEventListener('keydown', pressed);
}
