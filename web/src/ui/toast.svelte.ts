/** Short notices at the foot of the page; one that can be undone says so for ten seconds. */
import type { Trouble } from '../api/client.ts';

export interface Toast {
  id: number;
  text: string;
  tone: 'done' | 'trouble';
  undo?: () => void | Promise<void>;
}

class Toasts {
  list = $state.raw<Toast[]>([]);
}

export const toasts = new Toasts();
let count = 0;

export function drop(id: number) {
  toasts.list = toasts.list.filter((toast) => toast.id !== id);
}

/** Say that something was done; with `undo`, offer to take it back. */
export function toast(text: string, undo?: Toast['undo']) {
  const id = ++count;
  toasts.list = [...toasts.list.slice(-2), { id, text, tone: 'done', ...(undo ? { undo } : {}) }];
  setTimeout(() => drop(id), undo ? 10_000 : 5_000);
}

/** Say what went wrong and what now; it stays until it is read away. */
export function complain(trouble: Trouble | Error) {
  const title = 'title' in trouble ? trouble.title : '';
  const text = title && title !== trouble.message ? `${title}. ${trouble.message}` : trouble.message;
  toasts.list = [...toasts.list.slice(-2), { id: ++count, text, tone: 'trouble' }];
}
