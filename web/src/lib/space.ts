/**
 * Which space this tab is in: the real one, or an exercise. The address says it (`/exercise/<id>/…`), so every tab
 * knows by itself, and a link into an exercise never opens in the real space.
 */
const found =
  typeof location === 'undefined' ? null : /^\/exercise\/([0-9a-z]{4,40})(?=\/|$)/.exec(location.pathname);

/** The id of the exercise, or '' in the real space. */
export const SPACE = found?.[1] ?? '';
/** What stands before every address of this space. */
export const PREFIX = found?.[0] ?? '';

/** A path of the console as this space has it: `/alarms` is `/exercise/…/alarms` in an exercise. */
export function inside(path: string, prefix = PREFIX): string {
  return prefix && path.startsWith('/') && path !== prefix && !path.startsWith(`${prefix}/`)
    ? prefix + path
    : path;
}

/** The path without the space, as routes know it. */
export function bare(path: string, prefix = PREFIX): string {
  return prefix && (path === prefix || path.startsWith(`${prefix}/`))
    ? path.slice(prefix.length) || '/'
    : path;
}
