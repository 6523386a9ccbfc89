/**
 * The built console, as it is shipped: within its budgets, under its policy, without faults of accessibility.
 *
 * It is opened in Debian's Chromium with the made-up answers of `dev/mock.ts`; nothing but loopback is reached.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { chromium, type Browser, type Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { BUILT, serve } from '../dev/serve.ts';

const AXE = readFileSync(join(import.meta.dirname, '../node_modules/axe-core/axe.min.js'), 'utf8');
const KB = 1024;
/** One of these is there when a screen has drawn what it was asked for. */
const READY = '[data-drawn=true], .chart canvas, .chart table, .as-table table, form, .empty';

/** The files that the page asks for before anything can be seen, and those they ask for in turn. */
function first(kind: 'js' | 'css'): string[] {
  const html = readFileSync(join(BUILT, 'index.html'), 'utf8');
  return [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)]
    .map((found) => found[1] as string)
    .filter((name) => name.endsWith(`.${kind}`));
}

const weight = (names: string[]) =>
  names.reduce((sum, name) => sum + gzipSync(readFileSync(join(BUILT, name)), { level: 9 }).length, 0);

describe('budgets', () => {
  test('the first scripts are at most 90 KB', () => {
    expect(first('js').length).toBeGreaterThan(0);
    expect(weight(first('js')) / KB).toBeLessThanOrEqual(90);
  });

  test('the first styles are at most 25 KB', () => {
    expect(first('css').length).toBeGreaterThan(0);
    expect(weight(first('css')) / KB).toBeLessThanOrEqual(25);
  });

  test('no other script but the map is over 40 KB, and the fonts of the page are at most 60 KB', () => {
    const all = readdirSync(join(BUILT, 'assets'));
    for (const name of all.filter((each) => each.endsWith('.js') && !/^(gl|maplibre)/.test(each))) {
      expect(weight([`assets/${name}`]) / KB, name).toBeLessThanOrEqual(40);
    }
    const fonts = all.filter((each) => /wght.*woff2$/.test(each));
    expect(fonts).toHaveLength(2);
    const bytes = fonts.reduce((sum, name) => sum + readFileSync(join(BUILT, 'assets', name)).length, 0);
    expect(bytes / KB).toBeLessThanOrEqual(60);
  });
});

test('each file has its compressed twins, and the page nothing inline', () => {
  for (const name of first('js')) {
    if (readFileSync(join(BUILT, name)).length < KB) continue;
    expect(existsSync(join(BUILT, `${name}.br`)), name).toBe(true);
    expect(existsSync(join(BUILT, `${name}.gz`)), name).toBe(true);
  }
  const html = readFileSync(join(BUILT, 'index.html'), 'utf8');
  expect(html).not.toMatch(/<script(?![^>]*src=)|<style|style="|\son\w+="/);
  expect(existsSync(join(BUILT, 'THIRD_PARTY.txt'))).toBe(true);
});

describe('in a browser', () => {
  let server: Server;
  let browser: Browser;
  let origin: string;

  beforeAll(async () => {
    server = await serve(0);
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await chromium.launch({
      executablePath: process.env.DATLANH_CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--enable-unsafe-swiftshader',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
      ],
    });
  });
  afterAll(async () => {
    await browser.close();
    server.closeAllConnections();
    server.close();
  });

  async function open(path: string, theme = 'light', size = { width: 1280, height: 800 }) {
    const context = await browser.newContext({
      viewport: size,
      locale: 'vi-VN',
      timezoneId: 'Asia/Ho_Chi_Minh',
      reducedMotion: 'reduce',
    });
    await context.addInitScript((look: string) => {
      localStorage.setItem('datlanh.theme', look);
      const seen = ((window as unknown as { broken: string[] }).broken = [] as string[]);
      document.addEventListener('securitypolicyviolation', (event) =>
        seen.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`),
      );
    }, theme);
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.goto(origin + path);
    await page.waitForSelector('h1');
    await page.waitForSelector(READY);
    return { page, errors, done: () => context.close() };
  }

  async function faults(page: Page): Promise<string[]> {
    // The policy forbids scripts that are not files of ours; the tester's goes in through the debugger.
    await page.evaluate(AXE);
    return page.evaluate(async () => {
      const axe = (window as unknown as { axe: typeof import('axe-core') }).axe;
      const found = await axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'],
        resultTypes: ['violations'],
      });
      return found.violations.flatMap((fault) =>
        fault.nodes.map(
          (node) => `${fault.impact} ${fault.id}: ${node.target.join(' ')} ${node.failureSummary}`,
        ),
      );
    });
  }

  const AIR = encodeURIComponent('urn:ngsi-ld:AirQualityObserved:BD_DA_KK01');
  const SILENT = encodeURIComponent('urn:ngsi-ld:AirQualityObserved:BD_DT_KK01');
  const WHY = encodeURIComponent('/api/v1/why?what=figure&of=aqi');

  const SCREENS: [name: string, path: string][] = [
    ['overview', '/'],
    ['overview as a table', '/?map=table'],
    ['wall', '/?kiosk=1'],
    ['station', `/stations/${AIR}`],
    ['station as a table', `/stations/${AIR}?view=table`],
    ['silent station', `/stations/${SILENT}`],
    ['why', `/?why=${WHY}`],
  ];

  test.each(SCREENS)(
    '%s keeps the policy, has no faults in light and dark, and fits a phone',
    async (_name, path) => {
      // Each theme in a page of its own, as people meet it: turned under a drawn page, some of its
      // elements may still be in the colours of before while the others are read.
      for (const theme of ['light', 'dark']) {
        const { page, errors, done } = await open(path, theme);
        if (path.includes('why=')) await page.waitForSelector('dialog[open] section');
        expect(await faults(page), theme).toEqual([]);
        if (!path.includes('kiosk')) {
          await page.setViewportSize({ width: 390, height: 844 });
          expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
        }
        expect(await page.evaluate(() => (window as unknown as { broken: string[] }).broken)).toEqual([]);
        expect(errors).toEqual([]);
        await done();
      }
    },
  );

  test('on a quiet day no pixel has the colour of an alarm', async () => {
    const { page, done } = await open('/?calm=1', 'dark');
    await page.waitForSelector('[data-drawn=true]');
    const colours = await page.evaluate(() => {
      const probe = document.createElement('i');
      document.body.append(probe);
      const named = [1, 2, 3, 4].map((level) => {
        probe.style.color = `var(--sev-${level})`;
        return getComputedStyle(probe).color;
      });
      probe.remove();
      const used = new Set<string>();
      for (const element of document.querySelectorAll('body *')) {
        const style = getComputedStyle(element);
        const legend = element.closest('.legend');
        if (legend) continue;
        for (const value of [
          style.color,
          style.backgroundColor,
          style.fill,
          style.stroke,
          style.borderLeftColor,
        ]) {
          if (named.includes(value)) used.add(`${element.tagName}.${element.className} ${value}`);
        }
      }
      return [...used];
    });
    expect(colours).toEqual([]);
    await done();
  });

  test('one goes anywhere by keys, and help says how', async () => {
    const { page, done } = await open('/');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open]');
    expect(await page.textContent('dialog[open]')).toContain('Đến Cảnh báo');
    await page.keyboard.press('Escape');
    await page.keyboard.press('g');
    await page.keyboard.press('s');
    await page.waitForURL('**/sources');
    await page.keyboard.press('g');
    await page.keyboard.press('o');
    await page.waitForURL(`${origin}/`);
    await page.keyboard.press('Control+k');
    await page.keyboard.type('song than');
    await page.waitForSelector('[role=option]');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/stations/**');
    await done();
  });

  test('signing in: errors take the focus, the right password opens', async () => {
    const { page, done } = await open('/');
    await page.evaluate(() => fetch('/api/v1/session', { method: 'DELETE' }));
    await page.reload();
    await page.waitForSelector('form');
    await page.click('button[type=submit]');
    await page.waitForSelector('[role=alert]:focus');
    expect(await faults(page)).toEqual([]);
    await page.fill('[name=name]', 'truc.ban');
    await page.fill('[name=password]', 'sai');
    await page.keyboard.press('Enter');
    await page.waitForSelector('text=Tên đăng nhập hoặc mật khẩu không đúng.');
    await page.fill('[name=password]', 'dung');
    await page.keyboard.press('Enter');
    await page.waitForSelector('nav');
    await done();
  });

  test('a connection that is lost is said, and the page comes back by itself', async () => {
    const { page, done } = await open('/');
    await page.waitForSelector('.light.live');
    await page.context().setOffline(true);
    await page.waitForSelector('.banner');
    expect(await page.textContent('.banner')).toMatch(/Mất kết nối từ \d\d:\d\d, số liệu đến \d\d:\d\d/);
    expect(
      await page.evaluate(() => getComputedStyle(document.querySelector('main') as Element).filter),
    ).toContain('grayscale');
    await page.context().setOffline(false);
    await page.waitForSelector('.light.live');
    expect(await page.$('.banner')).toBeNull();
    await done();
  });

  test('without WebGL 2 the map is SVG', async () => {
    const plain = await chromium.launch({
      executablePath: process.env.DATLANH_CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-3d-apis'],
    });
    const page = await plain.newPage();
    await page.goto(origin);
    await page.waitForSelector('.stage svg a[href^="/stations/"]');
    expect(await page.$$eval('.stage svg a', (links) => links.length)).toBeGreaterThan(50);
    await plain.close();
  });
});
