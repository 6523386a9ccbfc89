/**
 * Server-sent events, read from a stream of text.
 *
 * Read by hand, not by `EventSource`, because that one keeps the server's heartbeats (comments) to itself, and
 * whether we still hear the server is the first thing that the console must know.
 */
export interface Event {
  id: string;
  name: string;
  data: string;
}

/** A reader to which pieces of the stream are given; it tells whole events and that something was heard. */
export function reader(told: (event: Event) => void, heard: () => void): (piece: string) => void {
  let rest = '';
  let id = '';
  let name = '';
  let data: string[] = [];
  return (piece) => {
    heard();
    const lines = (rest + piece).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data.length || name) told({ id, name: name || 'message', data: data.join('\n') });
        id = ''; // unlike `EventSource`: a message without a position is in no log
        name = '';
        data = [];
        continue;
      }
      if (line.startsWith(':')) continue;
      const colon = line.indexOf(':');
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'id') id = value;
      else if (field === 'event') name = value;
      else if (field === 'data') data.push(value);
    }
  };
}
