import { expect, test } from 'vitest';

import { question } from './link.ts';

test.each([
  ['/api/v1/why?of=abc', '/api/v1/why?of=abc'],
  ['/why?of=abc', '/why?of=abc'],
  ['?of=abc', '/why?of=abc'],
  ['/api/v1/session', null],
  ['//elsewhere/why?of=a', null],
  ['/api/v1/why/../session', null],
])('%s asks %s', (link, asked) => expect(question(link)).toBe(asked));
