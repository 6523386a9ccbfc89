/**
 * Routes: the URL is the state of the console.
 *
 * What a screen shows (filters, sort, range, open object) is in the query, so that every view can be sent to
 * a colleague. Values that are the default are left out. A change of view replaces the entry in the history,
 * going somewhere pushes one. Nothing here knows which screens exist.
 */

import { bare, inside } from './space.ts';

class Place {
  path = $state(typeof location === 'undefined' ? '/' : bare(location.pathname));
  search = $state(typeof location === 'undefined' ? '' : location.search);
  readonly query = $derived(new URLSearchParams(this.search));
}

export const place = new Place();

type Changes = Record<string, string | number | boolean | null | undefined>;

function read() {
  place.path = bare(location.pathname);
  place.search = location.search;
}

/** Where this page would be with these changes of the query; null, '' and false take a value out. */
export function withQuery(changes: Changes, path = place.path): string {
  const query = new URLSearchParams(path === place.path ? place.search : '');
  for (const [name, value] of Object.entries(changes)) {
    if (value == null || value === '' || value === false) query.delete(name);
    else query.set(name, value === true ? '1' : String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Go to an address of the console. */
export function go(where: string, how: 'push' | 'replace' = 'push') {
  const to = inside(where);
  if (to === location.pathname + location.search) return;
  const samePage = new URL(to, location.href).pathname === location.pathname;
  history[how === 'push' ? 'pushState' : 'replaceState'](null, '', to);
  read();
  if (how === 'push' && !samePage) window.scrollTo(0, 0);
}

/** Change what this page shows without leaving it. */
export function show(changes: Changes, how: 'push' | 'replace' = 'replace') {
  go(withQuery(changes), how);
}

/** The parts of a path that a pattern such as `/stations/:id` names, or null when it is another path. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split('/').filter(Boolean);
  const have = path.split('/').filter(Boolean);
  if (want.length !== have.length) return null;
  const found: Record<string, string> = {};
  for (const [index, part] of want.entries()) {
    const given = decodeURIComponent(have[index] ?? '');
    if (part.startsWith(':')) found[part.slice(1)] = given;
    else if (part !== given) return null;
  }
  return found;
}

/** Make a link to our own pages or files one of this space; `data-outside` leads out of an exercise. */
function own(event: Event) {
  const link = (event.target as Element | null)?.closest?.('a');
  if (!link || link.origin !== location.origin || link.hasAttribute('data-outside')) return;
  const path = inside(link.pathname);
  if (path !== link.pathname) link.href = path + link.search + link.hash;
}

/** Make plain links to pages of the console change the page without loading it anew. */
export function followLinks(): () => void {
  const click = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0) return;
    own(event);
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.('a');
    if (
      !link ||
      link.target ||
      link.hasAttribute('data-outside') ||
      link.hasAttribute('download') ||
      link.origin !== location.origin
    )
      return;
    if (/^\/(api|ngsi-ld|metrics|livez|readyz)(\/|$)/.test(bare(link.pathname))) return;
    if (link.hash && link.pathname === location.pathname && link.search === location.search) return;
    event.preventDefault();
    go(link.pathname + link.search, link.hasAttribute('data-replace') ? 'replace' : 'push');
  };
  // Before a link is followed, copied or opened in another tab, it is made one of this space.
  const early = ['pointerdown', 'focusin', 'contextmenu', 'dragstart'] as const;
  for (const name of early) document.addEventListener(name, own, true);
  document.addEventListener('click', click);
  window.addEventListener('popstate', read);
  return () => {
    document.removeEventListener('click', click);
    for (const name of early) document.removeEventListener(name, own, true);
    window.removeEventListener('popstate', read);
  };
}
