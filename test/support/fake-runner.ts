import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import {
  EXECUTE_FRAME_TYPE,
  executeRequest,
  type ExecuteRequest,
  type ExecuteResponse,
  type RunnerAnnouncement,
} from '../../core/execute.ts';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import { SEAL_HEADER } from '../../platform/tokens/request-seal.ts';

export interface SeenExecution {
  request: ExecuteRequest;
  body: string;
  token: string;
  authorization: string | undefined;
  seal: string | undefined;
}

/** What the fake does with an execution: answer for the guest, or refuse as a runner. */
export type RunnerReply =
  (Partial<ExecuteResponse> & { body?: string }) | { refuse: number; code?: string } | 'hang-up';

export interface FakeRunner {
  url: string;
  seen: SeenExecution[];
  warmed: unknown[];
  /** What it says of itself; at first what a runner of the first release says. */
  announces: Partial<RunnerAnnouncement>;
  /** Why it would rather get nothing. */
  unready: string | undefined;
  /** Decides on the next executions and warm-ups. */
  reply: (seen: SeenExecution) => RunnerReply | Promise<RunnerReply>;
  close(): Promise<void>;
}

const METRICS = { duration_ms: 1, cpu_ms: 1, fuel: 0, memory_bytes: 1024, egress_bytes: 0 };

/** An HTTP server that speaks the runner's private contract. */
export async function startFakeRunner(): Promise<FakeRunner> {
  const server = createServer((req, res) => {
    void (async () => {
      const bytes = await buffer(req);
      if (req.url === '/readyz') {
        res.writeHead(fake.unready === undefined ? 200 : 503, { 'content-type': 'application/json' });
        res.end(JSON.stringify({ status: fake.unready ?? 'ready', ...fake.announces }));
        return;
      }
      if (req.url === '/v1/warm') {
        fake.warmed.push(JSON.parse(bytes.toString('utf8')));
        res.writeHead(200, { 'content-type': 'application/json' }).end('{"loaded":true}');
        return;
      }
      const frame = decodeFrame(bytes);
      const seen = {
        request: executeRequest.parse(frame?.head),
        body: Buffer.from(frame?.body ?? []).toString('utf8'),
        token: String(req.headers['x-execution-token']),
        authorization: req.headers.authorization,
        seal: req.headers[SEAL_HEADER]?.toString(),
      };
      fake.seen.push(seen);
      const reply = await fake.reply(seen);
      if (reply === 'hang-up') {
        req.socket.destroy();
      } else if ('refuse' in reply) {
        res.writeHead(reply.refuse).end(JSON.stringify({ code: reply.code }));
      } else {
        const { body = '', ...head } = reply;
        const answer = { status: 200, headers: {}, metrics: METRICS, ...head };
        res.writeHead(200, { 'content-type': EXECUTE_FRAME_TYPE });
        res.end(Buffer.concat(encodeFrame(answer, Buffer.from(body))));
      }
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeRunner = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    warmed: [],
    announces: {},
    unready: undefined,
    reply: () => ({ body: 'hello', headers: { 'content-type': 'text/plain' } }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return fake;
}
