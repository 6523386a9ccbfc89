import { describe, expect, it } from 'vitest';

import type { DutyItem, DutyShift, LogEntry } from '../../api/shapes.ts';
import { byPeople, dayAfter, dueNext, grid, isDay, mondayOf, nextUnread } from './desk.ts';

const item = (key: string, due_at: string | null, read = false) => ({ key, due_at, read }) as DutyItem;

describe('the duty desk', () => {
  it('knows the days of a week', () => {
    expect(mondayOf('2026-11-23')).toBe('2026-11-23');
    expect(mondayOf('2026-11-29')).toBe('2026-11-23');
    expect(dayAfter('2026-12-31', 1)).toBe('2027-01-01');
    expect(isDay('2026-02-29')).toBe(false);
    expect(isDay('2028-02-29')).toBe(true);
    expect(isDay('soon')).toBe(false);
    expect(isDay(null)).toBe(false);
  });

  it('puts what is due next in front', () => {
    const items = [item('b', '2026-11-23T09:00:00Z'), item('c', null), item('a', '2026-11-23T08:00:00Z')];
    expect(dueNext(items).map((one) => one.key)).toEqual(['a', 'b']);
    expect(dueNext(items, 1)).toHaveLength(1);
  });

  it('goes on to what is unread, around the end', () => {
    const items = [item('a', null), item('b', null, true), item('c', null, true)];
    expect(nextUnread(items, 1)).toBe(0);
    expect(nextUnread(items, 0)).toBe(0);
    expect(nextUnread([item('a', null, true)], 0)).toBe(-1);
    expect(nextUnread([], 0)).toBe(-1);
  });

  it('lays a week out as lines of shifts', () => {
    const hour = { m: '23:00', a: '07:00' };
    const shift = (title: 'm' | 'a', day: string) =>
      ({ roster: 'desk', title, day, starts_at: `2026-11-22T${hour[title]}:00Z` }) as DutyShift;
    const lines = grid(
      [shift('m', '2026-11-23'), shift('a', '2026-11-23'), shift('m', '2026-11-24')],
      ['2026-11-23', '2026-11-24'],
    );
    expect(lines.map((line) => [line.title, line.days.map((day) => day.length)])).toEqual([
      ['m', [1, 1]],
      ['a', [1, 0]],
    ]);
  });

  it('can leave out what the platform did', () => {
    expect(byPeople([{ by: null }, { by: '1' }] as LogEntry[])).toHaveLength(1);
  });
});
