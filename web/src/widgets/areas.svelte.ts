/** The areas of today, asked once for all maps of the page. */
import { get } from '../api/client.ts';
import type { Areas } from '../api/shapes.ts';
import { areasOf, type Area } from '../map/model.ts';

class Territory {
  areas = $state.raw<readonly Area[]>([]);
  asked = false;
}

export const territory = new Territory();

/** Ask for the areas if nobody has yet; a map without them still shows its marks. */
export async function askAreas(): Promise<void> {
  if (territory.asked) return;
  territory.asked = true;
  try {
    territory.areas = areasOf(await get<Areas>('/areas'));
  } catch {
    territory.asked = false;
  }
}
