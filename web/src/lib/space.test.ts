import { describe, expect, it } from 'vitest';

import { bare, inside } from './space.ts';

const P = '/exercise/abc123';

describe('the address says which space it is', () => {
  it.each([
    ['/alarms', `${P}/alarms`],
    ['/', `${P}/`],
    [`${P}/alarms`, `${P}/alarms`],
    ['/exercise/abc1234/x', `${P}/exercise/abc1234/x`],
    ['https://elsewhere', 'https://elsewhere'],
  ])('%s', (path, want) => expect(inside(path, P)).toBe(want));
  it.each([
    [`${P}/alarms`, '/alarms'],
    [P, '/'],
    [`${P}/`, '/'],
    ['/alarms', '/alarms'],
  ])('%s without the space', (path, want) => expect(bare(path, P)).toBe(want));
  it('changes nothing in the real space', () => {
    expect(inside('/alarms', '')).toBe('/alarms');
    expect(bare('/alarms', '')).toBe('/alarms');
  });
});
