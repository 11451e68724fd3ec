import { z } from 'zod';
import { isPlatformError, PlatformError, type ErrorCode } from '../../core/errors.ts';
import type { HostReply } from '../engine/engine.ts';
import type { Capability, CountEgress, HostFunction } from './capability.ts';

const MIB = 1024 * 1024;

/** Of one execution. */
const MAX_REQUESTS = 100;
const MAX_AT_ONCE = 8;
const MAX_RECEIVED_BYTES = 16 * MIB;
/** Where the request names no limit. */
const MAX_SENT_BYTES = 32 * MIB;

const bytes = z.custom<Uint8Array>((value) => ArrayBuffer.isView(value));
const header = z.object({ name: z.string(), value: z.string() });
const args = z.tuple([
  z.object({ method: z.string(), url: z.string(), headers: z.array(header), body: bytes.optional() }),
]);

type Failure = Exclude<Parameters<CountEgress>[0], 'answered'>;

const FAILURES: Partial<Record<ErrorCode, Failure>> = {
  EGRESS_INVALID: 'invalid-url',
  EGRESS_NOT_ALLOWED: 'not-allowed',
  EGRESS_FAILED: 'transport',
  EGRESS_LIMITED: 'internal',
};

/** Requests to other systems; the scope names the hosts, and without any none is reached. Why one failed is in the execution's log. */
export const httpCapability: Capability = {
  name: 'http.fetch',
  bind({ request, signal, used, denied, explain }, scope, { egress, countEgress }) {
    const { tenant_id: tenantId, install_id: owner } = request.context;
    const maxSent = request.limits.egress_bytes ?? MAX_SENT_BYTES;
    let requests = 0;
    let atOnce = 0;
    let allReceived = 0;

    const fetch: HostFunction = async (given): Promise<HostReply> => {
      const [sending] = args.parse(given);
      let sent = 0;
      let received = 0;
      const sender = {
        ...{ tenantId, owner, hosts: scope['hosts'] ?? [], signal },
        onSend(bytes: number) {
          if (used.egressBytes + bytes > maxSent) throw limited(`sends more than ${maxSent} bytes`);
          used.egressBytes += bytes;
          sent += bytes;
        },
        onUnsent(bytes: number) {
          used.egressBytes -= bytes;
          sent -= bytes;
        },
        onReceive(bytes: number) {
          allReceived += bytes;
          if (allReceived > MAX_RECEIVED_BYTES)
            throw limited(`receives more than ${MAX_RECEIVED_BYTES} bytes`);
          received += bytes;
        },
      };
      requests += 1;
      atOnce += 1;
      try {
        if (requests > MAX_REQUESTS) throw limited(`sends more than ${MAX_REQUESTS} requests`);
        if (atOnce > MAX_AT_ONCE) throw limited(`sends more than ${MAX_AT_ONCE} requests at once`);
        const { status, headers, body } = await egress.send(sending, sender);
        countEgress('answered', { sent, received });
        return { ok: { status, headers: [...headers.map((one) => ({ ...one }))], body } };
      } catch (err) {
        const failure = failureOf(err, signal);
        countEgress(failure, { sent, received });
        if (isPlatformError(err)) {
          const { origin, host, rule } = err.details;
          if (rule === 'grant' && typeof host === 'string') denied('http.fetch', host);
          else explain(`http.fetch${typeof origin === 'string' ? ` to ${origin}` : ''}: ${err.message}`);
        }
        return { err: failure };
      } finally {
        atOnce -= 1;
      }
    };

    return { http: { fetch } };
  },
};

function limited(what: string): PlatformError {
  return new PlatformError('EGRESS_LIMITED', `the execution ${what}`);
}

function failureOf(err: unknown, signal: AbortSignal): Failure {
  if (signal.aborted) return 'transport'; // nobody hears it any more
  const failure = isPlatformError(err) ? FAILURES[err.code] : undefined;
  if (failure === undefined) throw err;
  return failure;
}
