/** Let the service worker keep what the field page needs; harmless where there is none. */

/** Whether this browser can keep the page; false in development, where files have no hashes. */
export const KEEPS = 'serviceWorker' in navigator && import.meta.env.PROD;

/** Register the worker, and tell it which files this page has loaded. */
export async function keepPage(): Promise<boolean> {
  if (!KEEPS) return false;
  try {
    await navigator.serviceWorker.register('/sw.js');
    const ready = await navigator.serviceWorker.ready;
    const files = [...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]
      .map((entry) => entry.name)
      .filter((name) => new URL(name).pathname.startsWith('/assets/'));
    ready.active?.postMessage({ keep: [...new Set(files)] });
    return true;
  } catch {
    return false; // refused by the browser (private window, policy): the page works with a network
  }
}
