import { expect, test } from 'vitest';

import { Trouble } from '../../api/client.ts';
import type { TaskDetail } from '../../api/orders.ts';
import { assumed, flush, made, type Item, type Store } from './queue.ts';

const task = (id: string) =>
  ({
    row: { id, code: id, state: 'sent', can: ['receive'], evidence: 0, list_done: 0 },
    checklist: [{ id: '1', text: 'a', needed: true, done: false, at: null, by_name: null }],
  }) as unknown as TaskDetail;

function memory(...items: Item[]): Store & { items: Map<string, Item> } {
  const kept = new Map(items.map((item) => [item.key, item]));
  return {
    items: kept,
    all: async () => [...kept.values()].sort((a, b) => a.order - b.order),
    put: async (item) => void kept.set(item.key, item),
    drop: async (key) => void kept.delete(key),
  };
}

const item = (id: string, what: string, body: Record<string, unknown> = {}) =>
  made('7', { id, code: id }, what, 'stamp', { what, ...body });
const trouble = (status: number, key = 'x') => new Trouble({ status, key, title: 'Không', detail: 'Vì sao' });

test('what waits is sent in the order in which it was made, and is gone then', async () => {
  const store = memory(item('a', 'received'), item('b', 'received'), item('a', 'arrived'));
  const said: string[] = [];
  const found = await flush(
    '7',
    store,
    async (one) => (said.push(`${one.task} ${one.what}`), task(one.task)),
  );
  expect(said).toEqual(['a received', 'b received', 'a arrived']);
  expect(found).toMatchObject({ refused: 0, left: false });
  expect(store.items.size).toBe(0);
});

test.each([
  [0, 'web.problem.network'],
  [503, 'x'],
  [429, 'x'],
  [401, 'x'],
  [409, 'share.command_in_progress'],
])('after a passing trouble (%d %s) all stays, with its keys', async (status, key) => {
  const store = memory(item('a', 'received'), item('b', 'received'));
  const before = [...store.items.keys()];
  const found = await flush('7', store, () => Promise.reject(trouble(status, key)));
  expect(found).toMatchObject({ refused: 0, left: true });
  expect([...store.items.keys()]).toEqual(before);
  expect([...store.items.values()].every((one) => one.state === 'waiting')).toBe(true);
});

test('what is refused stays with the reason, what follows of the same task waits, others go on', async () => {
  const store = memory(item('a', 'received'), item('a', 'arrived'), item('b', 'received'));
  const said: string[] = [];
  const sender = async (one: Item) => {
    said.push(`${one.task} ${one.what}`);
    if (one.task === 'a') throw trouble(409, 'task.taken');
    return task(one.task);
  };
  expect(await flush('7', store, sender)).toMatchObject({ refused: 1, left: false });
  expect(said).toEqual(['a received', 'b received']);
  expect((await store.all()).map((one) => [one.what, one.state, one.problem])).toEqual([
    ['received', 'refused', 'Vì sao'],
    ['arrived', 'waiting', undefined],
  ]);
  // Asked again, the refused one is not sent by itself.
  await flush('7', store, sender);
  expect(said).toHaveLength(2);
});

test('what another person made on this phone is never sent in my name', async () => {
  const store = memory(item('a', 'received'));
  const said: string[] = [];
  await flush('8', store, async (one) => (said.push(one.key), task('a')));
  expect(said).toEqual([]);
  expect(store.items.size).toBe(1);
});

test('killed after each answer that was lost, each item has one key only', async () => {
  const store = memory(item('a', 'received'), item('a', 'arrived'), item('a', 'done'));
  const seen = new Map<string, number>();
  for (let round = 0; round < 6; round++) {
    await flush('7', store, async (one) => {
      const times = (seen.get(one.key) ?? 0) + 1;
      seen.set(one.key, times);
      if (times === 1) throw trouble(0); // it arrived; the answer did not
      return task('a');
    });
  }
  expect(seen.size).toBe(3);
  expect(store.items.size).toBe(0);
});

test('what waits is seen at once, what was refused is not', () => {
  const items = [
    item('a', 'received'),
    made('7', { id: 'a', code: 'a' }, 'check', 'check', { item: '1', done: true }),
  ];
  const seen = assumed(task('a'), items);
  expect(seen.row.state).toBe('received');
  expect(seen.row.can).toContain('arrive');
  expect(seen.checklist[0]?.done).toBe(true);
  const refused = items.map((one) => ({ ...one, state: 'refused' as const }));
  expect(assumed(task('a'), refused).row.state).toBe('sent');
});
