/** The look a person chose, kept on this computer: theme, density, and the palette of VN_AQI. */

export type Theme = 'auto' | 'light' | 'dark' | 'contrast';
export type Density = 'normal' | 'dense';

function kept(name: string): string | null {
  try {
    return localStorage.getItem(`datlanh.${name}`);
  } catch {
    return null; // a browser that keeps nothing still works
  }
}

function keep(name: string, value: string) {
  try {
    localStorage.setItem(`datlanh.${name}`, value);
  } catch {
    // The choice then lasts as long as the page.
  }
}

class Look {
  theme = $state<Theme>((kept('theme') as Theme | null) ?? 'auto');
  density = $state<Density>((kept('density') as Density | null) ?? 'normal');
  clearPalette = $state(kept('palette') === 'clear');
  singleKeys = $state(kept('keys') !== 'off');
  /** Counts changes of what the theme resolves to, so that canvases are drawn anew. */
  turn = $state(0);
}

export const look = new Look();

/** Put the look on the page. `wall` is asked for by the address (`?kiosk`), never kept. */
export function wear(wall = false) {
  const root = document.documentElement;
  const theme = wall ? 'wall' : look.theme;
  if (root.dataset.theme !== theme) {
    root.dataset.theme = theme;
    look.turn += 1;
  }
  root.dataset.density = look.density;
}

export function choose(choice: Partial<Pick<Look, 'theme' | 'density' | 'clearPalette' | 'singleKeys'>>) {
  if (choice.theme) {
    look.theme = choice.theme;
    keep('theme', choice.theme);
  }
  if (choice.density) {
    look.density = choice.density;
    keep('density', choice.density);
  }
  if (choice.clearPalette !== undefined) {
    look.clearPalette = choice.clearPalette;
    keep('palette', choice.clearPalette ? 'clear' : 'official');
    look.turn += 1;
  }
  if (choice.singleKeys !== undefined) {
    look.singleKeys = choice.singleKeys;
    keep('keys', choice.singleKeys ? 'on' : 'off');
  }
}

/** Follow the system when it goes dark; returns how to stop. */
export function followSystem(): () => void {
  const queries = ['(prefers-color-scheme: dark)', '(prefers-contrast: more)', '(forced-colors: active)'].map(
    (query) => matchMedia(query),
  );
  const changed = () => (look.turn += 1);
  for (const query of queries) query.addEventListener('change', changed);
  return () => queries.forEach((query) => query.removeEventListener('change', changed));
}

let probe: HTMLElement | undefined;

/** The colour of a token as the page wears it now, for canvases: `rgb(…)`, whatever the token says. */
export function colour(name: string): string {
  if (!probe) {
    probe = document.createElement('span');
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}
