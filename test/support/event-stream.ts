export interface StreamEvent {
  id: string;
  event: string;
  data: Record<string, unknown>;
}

export interface OpenStream {
  status: number;
  headers: Headers;
  /** Events that have arrived; grows. */
  events: StreamEvent[];
  /** Heartbeats that have arrived. */
  heartbeats(): number;
  /** Resolves when the server ends the stream, rejects when it is cut. */
  ended: Promise<void>;
  /** Goes away, as a client does that closes its page. */
  leave(): void;
}

/** Opens a stream of Server-Sent Events and reads it until it ends. */
export async function openStream(url: string, headers: Record<string, string> = {}): Promise<OpenStream> {
  const gone = new AbortController();
  const response = await fetch(url, { headers, signal: gone.signal });
  const events: StreamEvent[] = [];
  let heartbeats = 0;

  async function read(): Promise<void> {
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        if (block.startsWith(':')) heartbeats += 1;
        else events.push(parseEvent(block));
      }
    }
  }

  const ended = read();
  ended.catch(() => undefined); // who does not look at it has left
  return {
    status: response.status,
    headers: response.headers,
    events,
    heartbeats: () => heartbeats,
    ended,
    leave: () => gone.abort(),
  };
}

function parseEvent(block: string): StreamEvent {
  const fields = Object.fromEntries(
    block.split('\n').map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]),
  );
  const { id = '', event = '', data = '{}' } = fields;
  return { id, event, data: JSON.parse(data) as Record<string, unknown> };
}
