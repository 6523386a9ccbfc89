/** Licence notices of what is shipped inside the console, written beside it as THIRD_PARTY.txt. */
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Plugin } from 'vite';

/** What ends up in the browser; the rest of the lock file only builds and checks. */
const shipped = ['svelte', 'maplibre-gl', 'uplot', '@fontsource-variable/inter', '@fontsource/inter'];

export function notices(out: string): Plugin {
  return {
    name: 'notices',
    apply: 'build',
    async writeBundle() {
      const parts: string[] = ['Đất Lành ships these works of others, with thanks.\n'];
      for (const name of shipped) {
        const folder = join('node_modules', name);
        const about = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
        const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
        const text = file ? await readFile(join(folder, file), 'utf8') : '';
        parts.push(`${'='.repeat(80)}\n${name} ${about.version} (${about.license})\n\n${text.trim()}\n`);
      }
      await writeFile(join(out, 'THIRD_PARTY.txt'), parts.join('\n'));
    },
  };
}
