/**
 * Words: what people read, in their language.
 *
 * The files are the ones that Python reads (`src/datlanh/strings/`: `web` for what all screens share, `desk` for those of
 * alarms, incidents and sources); Vietnamese is the source and the
 * type of the keys, so that a misspelt key does not compile. English is loaded when it is asked for. Messages
 * are the ICU subset `{name}` and `{n, plural, one {# thing} other {# things}}`.
 */
import alarmVi from '../../../src/datlanh/strings/alarm.vi.json';
import deskVi from '../../../src/datlanh/strings/desk.vi.json';
import directiveVi from '../../../src/datlanh/strings/directive.vi.json';
import exerciseVi from '../../../src/datlanh/strings/exercise.vi.json';
import paperVi from '../../../src/datlanh/strings/paper.vi.json';
import taskVi from '../../../src/datlanh/strings/task.vi.json';
import tellVi from '../../../src/datlanh/strings/tell.vi.json';
import roomVi from '../../../src/datlanh/strings/room.vi.json';
import watchVi from '../../../src/datlanh/strings/watch.vi.json';
import webVi from '../../../src/datlanh/strings/web.vi.json';

const vi = {
  ...webVi,
  ...deskVi,
  ...alarmVi,
  ...roomVi,
  ...taskVi,
  ...directiveVi,
  ...watchVi,
  ...tellVi,
  ...paperVi,
  ...exerciseVi,
};

export type Key = keyof typeof vi;
export type Language = 'vi' | 'en';
export type Params = Record<string, string | number | null | undefined>;

type Dictionary = Record<Key, string>;

const load: Record<Language, () => Promise<Dictionary>> = {
  vi: async () => vi,
  en: async () => {
    const [web, desk, alarm, room, task, directive, watch, tell, paper, exercise] = await Promise.all([
      import('../../../src/datlanh/strings/web.en.json'),
      import('../../../src/datlanh/strings/desk.en.json'),
      import('../../../src/datlanh/strings/alarm.en.json'),
      import('../../../src/datlanh/strings/room.en.json'),
      import('../../../src/datlanh/strings/task.en.json'),
      import('../../../src/datlanh/strings/directive.en.json'),
      import('../../../src/datlanh/strings/watch.en.json'),
      import('../../../src/datlanh/strings/tell.en.json'),
      import('../../../src/datlanh/strings/paper.en.json'),
      import('../../../src/datlanh/strings/exercise.en.json'),
    ]);
    return {
      ...web.default,
      ...desk.default,
      ...alarm.default,
      ...room.default,
      ...task.default,
      ...directive.default,
      ...watch.default,
      ...tell.default,
      ...paper.default,
      ...exercise.default,
    };
  },
};

let dictionary = $state.raw<Dictionary>(vi);
let language = $state<Language>('vi');

/** The language in use, and its locale for `Intl`. */
export const speaking = {
  get language(): Language {
    return language;
  },
  get locale(): string {
    return language === 'vi' ? 'vi-VN' : 'en-GB';
  },
};

/** Speak another language from now on. */
export async function speak(chosen: Language) {
  dictionary = await load[chosen]();
  language = chosen;
  document.documentElement.lang = chosen;
  try {
    localStorage.setItem('datlanh.language', chosen);
  } catch {
    // The choice then lasts as long as the page.
  }
}

/** The language this computer was last used in. */
export function lastSpoken(): Language | null {
  try {
    const kept = localStorage.getItem('datlanh.language');
    return kept === 'vi' || kept === 'en' ? kept : null;
  } catch {
    return null;
  }
}

const PLURAL = /\{(\w+),\s*plural,((?:\s*(?:=\d+|\w+)\s*\{[^{}]*\})+)\s*\}/g;
const ARM = /(=\d+|\w+)\s*\{([^{}]*)\}/g;

/** Fill a message with values; numbers are written the way of the locale. */
export function fill(message: string, params: Params, locale: string): string {
  const write = (value: number) => new Intl.NumberFormat(locale).format(value);
  return message
    .replace(PLURAL, (_, name: string, arms: string) => {
      const count = Number(params[name]);
      const of = new Map([...arms.matchAll(ARM)].map((arm) => [arm[1] ?? '', arm[2] ?? '']));
      const rule = new Intl.PluralRules(locale).select(count);
      const text = of.get(`=${count}`) ?? of.get(rule) ?? of.get('other') ?? '';
      return text.replaceAll('#', write(count));
    })
    .replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = params[name];
      return typeof value === 'number' ? write(value) : (value ?? '');
    });
}

/** The words for a key in the language in use. */
export function t(key: Key, params: Params = {}): string {
  return fill(dictionary[key], params, speaking.locale);
}

/** Whether there are words for a key that was made from data (a state, a band). */
export function known(key: string): key is Key {
  return key in dictionary;
}

/** The words for a key made from data, or what to say when there are none. */
export function say(key: string, otherwise = ''): string {
  return known(key) ? t(key) : otherwise;
}
