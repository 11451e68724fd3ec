import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { send, type Answer } from '../support/platform.ts';

/** A tenant that the storm made, with a key of its admin. Its name begins every mark of its own. */
export interface Tenant {
  tenantId: string;
  name: string;
  key: string;
}

/** What a request is about; the checker goes by it. */
export type Kind =
  | 'call' // adds one to a counter of its own, named by its mark
  | 'count' // adds one to the tenant's counter
  | 'echo'
  | 'try' // a call of an install that is led through its life
  | 'config'
  | 'secrets'
  | 'tenant'
  | 'key'
  | 'revoke'
  | 'upload'
  | 'bytes'
  | 'publish'
  | 'abort'
  | 'install'
  | 'consent'
  | 'reset' // of config, to the defaults
  | 'upgrade'
  | 'rollback'
  | 'disable'
  | 'enable'
  | 'pause'
  | 'resume'
  | 'uninstall'
  | 'restore'
  | 'grants'
  | 'read';

/** A request and what came back. */
export interface Sent {
  n: number;
  kind: Kind;
  tenantId: string;
  method: string;
  route: string;
  /** What it alone carries: to be found wherever it has an effect. */
  mark: string;
  /** Ids and the like that the checker needs and the answer may not hold. */
  about: Record<string, string>;
  json?: unknown;
  /** Milliseconds since 1970. */
  at: number;
  answeredAt: number;
  /** Absent if no answer came; then `fault` says how it ended. */
  status?: number;
  code?: string;
  location?: string;
  executionId?: string;
  configVersion?: number;
  answer?: unknown;
  fault?: string;
}

export interface ToSend {
  kind: Kind;
  tenant: Pick<Tenant, 'tenantId' | 'key'>;
  method: string;
  route: string;
  mark: string;
  about?: Record<string, string>;
  json?: unknown;
  bytes?: Uint8Array;
  headers?: Record<string, string>;
}

export interface RequestRecord {
  send(request: ToSend): Promise<Sent>;
  readonly all: readonly Sent[];
  /** The first that spoke for the tenant. */
  keyOf(tenantId: string): string | undefined;
}

/** A client that was not served does nothing for so long. */
const TRY_AGAIN_MS = 300;

/** Sends requests, and keeps each with its answer, in memory and as a line of the file. */
export function createRecord(gateway: string, file: string): RequestRecord {
  const all: Sent[] = [];
  const keys = new Map<string, string>();
  let count = 0;
  return {
    all,
    keyOf: (tenantId) => keys.get(tenantId),
    async send({ tenant, about = {}, bytes, headers, ...request }) {
      const n = (count += 1);
      if (!keys.has(tenant.tenantId)) keys.set(tenant.tenantId, tenant.key);
      const begun = { n, tenantId: tenant.tenantId, about, ...request, at: Date.now() };
      const outcome = await send(`${gateway}${request.route}`, request.method, {
        key: tenant.key,
        ...(request.json !== undefined && { json: request.json }),
        ...(bytes && { bytes }),
        headers: { ...headers, 'x-request-id': requestIdOf(n) },
      }).then(answered, faulted);
      const sent: Sent = { ...begun, answeredAt: Date.now(), ...outcome };
      all.push(sent);
      appendFileSync(file, `${JSON.stringify(sent)}\n`);
      if (sent.status === undefined || sent.status === 503) await delay(TRY_AGAIN_MS);
      return sent;
    },
  };
}

export function requestIdOf(n: number): string {
  return `storm-${n}`;
}

function answered({ status, headers, json, text }: Answer): Partial<Sent> {
  const { code } = (json ?? {}) as { code?: unknown };
  const executionId = headers.get('x-execution-id');
  const configVersion = headers.get('x-ext-config-version');
  const location = headers.get('location');
  return {
    status,
    answer: json ?? text,
    ...(status >= 400 && typeof code === 'string' && { code }),
    ...(location !== null && { location }),
    ...(executionId !== null && { executionId }),
    ...(configVersion !== null && { configVersion: Number(configVersion) }),
  };
}

function faulted(err: unknown): Partial<Sent> {
  const { message, cause } = err as { message: string; cause?: { message?: string } };
  return { fault: cause?.message === undefined ? message : `${message}: ${cause.message}` };
}

/**
 * What an answer promises. `done`: it happened. `begun`: it may have, and what `url` says decides. `refused`: nothing was done, nor will
 * be. `unknown`: no answer came, or one that does not say.
 */
export type Promised = 'done' | 'begun' | 'refused' | 'unknown';

export function promiseOf({ status }: Pick<Sent, 'status'>): Promised {
  if (status === undefined) return 'unknown';
  if (status === 202) return 'begun';
  if (status < 400) return 'done';
  return status < 500 || status === 503 ? 'refused' : 'unknown';
}

/** Of several requests for the same thing: whether it must be there, must not be, or may. */
export function expected(sent: readonly Sent[]): 'there' | 'absent' | 'either' {
  const promises = sent.map(promiseOf);
  if (promises.includes('done')) return 'there';
  return promises.every((promise) => promise === 'refused') ? 'absent' : 'either';
}
