/** How much of the inbox is unread: one number for the bell and the inbox itself. */
import type { Unread } from '../../api/shapes.ts';

class Count {
  number = $state(0);
  urgency = $state<number | null>(null);

  told(said: Unread) {
    this.number = said.number;
    this.urgency = said.urgency;
  }
}

export const unread = new Count();
