import { createRawSnippet } from 'svelte';
import { afterEach, expect, test } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { render } from 'vitest-browser-svelte';

import { faults } from '../../tests/axe.ts';
import type { Figure } from '../api/shapes.ts';
import { now } from '../lib/clock.svelte.ts';
import { speak } from '../i18n/words.svelte.ts';
import AqiDisc from './AqiDisc.svelte';
import Button from './Button.svelte';
import Dialog from './Dialog.svelte';
import ErrorSummary from './ErrorSummary.svelte';
import Field from './Field.svelte';
import FigureCard from './FigureCard.svelte';
import Menu from './Menu.svelte';
import Severity from './Severity.svelte';
import Table from './Table.svelte';
import Tabs from './Tabs.svelte';
import TimeLeft from './TimeLeft.svelte';

afterEach(async () => {
  await speak('vi');
});

const words = (text: string) => createRawSnippet(() => ({ render: () => `<span>${text}</span>` }));

const figure: Figure = {
  key: 'pm25',
  title: 'PM2.5 trung bình 24 giờ',
  value: 46.81,
  unit: 'µg/m³',
  state: 'normal',
  at: '2026-11-23T07:00:00Z',
  target: null,
  limit: { value: 50, reference: 'QCVN 05:2023/BTNMT' },
  trend: [
    [0, 1],
    [1, null],
    [2, 3],
  ],
  coverage: { have: 11, of: 12 },
  why: '/api/v1/why?of=x',
};

test('a figure says value, unit, limit, coverage, and leads to why', async () => {
  const screen = await render(FigureCard, { figure, stations: true });
  await expect
    .element(screen.getByRole('link', { name: '46,8' }))
    .toHaveAttribute('href', expect.stringContaining('why='));
  await expect.element(screen.getByText('µg/m³').first()).toBeVisible();
  await expect.element(screen.getByText('11/12 trạm')).toBeVisible();
  expect(await faults()).toEqual([]);
});

test('an unknown figure is a dash and says so', async () => {
  const screen = await render(FigureCard, {
    figure: { ...figure, value: null, state: 'unknown', why: null },
  });
  await expect.element(screen.getByText('Chưa có số liệu')).toBeVisible();
  expect(screen.container.querySelector('.value')?.textContent).toMatch(/^\s*–/);
});

test('severity is a shape and a digit, and has a name', async () => {
  const screen = await render(Severity, { level: 1 });
  await expect.element(screen.getByRole('img', { name: 'Mức 1, khẩn' })).toBeInTheDocument();
  expect(screen.container.querySelector('text')?.textContent).toBe('1');
});

test('an index says its number and its word', async () => {
  const screen = await render(AqiDisc, { value: 163, band: 'bad', word: true });
  await expect.element(screen.getByRole('img', { name: 'VN_AQI 163, Xấu' })).toBeInTheDocument();
  await speak('en');
  await expect.element(screen.getByRole('img', { name: 'VN_AQI 163, Bad' })).toBeInTheDocument();
});

test('a deadline that has passed says so', async () => {
  const screen = await render(TimeLeft, { due: new Date(now.ms - 4 * 60_000 - 5_000).toISOString() });
  await expect.element(screen.getByText('Quá hạn')).toBeVisible();
  await expect.element(screen.getByText('00:04')).toBeVisible();
});

test('a table moves by arrow keys, opens by Enter, and sorts by its heads', async () => {
  const opened: string[] = [];
  const sorted: unknown[] = [];
  const screen = await render(Table<{ id: string; n: number }>, {
    columns: [
      { id: 'id', title: 'Tên', text: (row) => row.id },
      { id: 'n', title: 'Số', text: (row) => String(row.n), number: true, sortable: true },
    ],
    rows: [
      { id: 'a', n: 1 },
      { id: 'b', n: 2 },
    ],
    key: (row) => row.id,
    caption: 'Bảng',
    onopen: (row) => opened.push(row.id),
    onsort: (sort) => sorted.push(sort),
    csv: '/x.csv',
  });
  const rows = screen.container.querySelectorAll<HTMLElement>('tbody tr');
  rows[0]?.focus();
  await userEvent.keyboard('{ArrowDown}{Enter}');
  expect(opened).toEqual(['b']);
  await userEvent.click(screen.getByRole('button', { name: 'Số' }));
  expect(sorted).toEqual([{ by: 'n', down: true }]);
  await expect.element(screen.getByRole('link', { name: 'CSV' })).toHaveAttribute('href', '/x.csv');
  expect(await faults()).toEqual([]);
});

test('a dialog takes the focus, closes by Escape and tells', async () => {
  let closed = 0;
  const screen = await render(Dialog, {
    open: true,
    title: 'Tạm gác',
    children: words('Vì sao?'),
    onclose: () => closed++,
  });
  await expect.element(screen.getByRole('dialog', { name: 'Tạm gác' })).toBeVisible();
  expect(await faults()).toEqual([]);
  await userEvent.keyboard('{Escape}');
  await expect.poll(() => closed).toBe(1);
});

test('a menu opens, moves and closes by keys', async () => {
  let acted = '';
  const screen = await render(Menu, {
    label: 'Việc',
    choices: [
      { label: 'Một', act: () => (acted = 'một') },
      { label: 'Hai', act: () => (acted = 'hai') },
    ],
  });
  await userEvent.click(screen.getByRole('button', { name: 'Việc' }));
  expect(await faults()).toEqual([]);
  await userEvent.keyboard('{ArrowDown}{Enter}');
  expect(acted).toBe('hai');
  expect(document.querySelector('[role=menu]')).toBeNull();
});

test('tabs are moved by arrows', async () => {
  let chosen = 'a';
  const screen = await render(Tabs<'a' | 'b'>, {
    label: 'Khoảng',
    tabs: [
      { id: 'a', label: 'A' },
      { id: 'b', label: 'B' },
    ],
    chosen: 'a',
    onchoose: (id) => (chosen = id),
  });
  (screen.getByRole('tab', { name: 'A' }).element() as HTMLElement).focus();
  await userEvent.keyboard('{ArrowRight}');
  expect(chosen).toBe('b');
  expect(await faults()).toEqual([]);
});

test('errors are gathered where the focus goes, and each leads to its field', async () => {
  const screen = await render(ErrorSummary, { errors: [{ field: 'name', text: 'Hãy nhập tên' }] });
  await expect.element(screen.getByRole('alert')).toHaveFocus();
  await expect
    .element(screen.getByRole('link', { name: 'Hãy nhập tên' }))
    .toHaveAttribute('href', '#field-name');
});

test('a field is tied to its label, hint and error', async () => {
  const screen = await render(Field, {
    name: 'cause',
    label: 'Nguyên nhân',
    hint: 'Một câu',
    error: 'Còn thiếu',
    value: '',
  });
  const input = screen.getByLabelText('Nguyên nhân');
  await expect.element(input).toHaveAttribute('aria-invalid', 'true');
  await expect.element(input).toHaveAccessibleDescription('Một câu Còn thiếu');
  expect(await faults()).toEqual([]);
});

test('a button that is busy cannot be pressed twice', async () => {
  const screen = await render(Button, { busy: true, children: words('Lưu') });
  await expect.element(screen.getByRole('button', { name: 'Lưu' })).toBeDisabled();
  void page;
});
