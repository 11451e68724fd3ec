import { afterEach, describe, expect, it } from '@jest/globals';
import type { CapabilityScope } from '../../core/capabilities.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { PlatformError } from '../../core/errors.ts';
import type { ExecuteRequest } from '../../core/execute.ts';
import type { Egress, Sender } from '../../platform/egress/egress.ts';
import { executeRequest } from '../../test/support/execute-request.ts';
import type { WitValue } from '../engine/engine.ts';
import type { CallContext, CapabilityDeps } from './capability.ts';
import { createDenials } from './denied.ts';
import { httpCapability } from './http.ts';

const GET = { method: 'GET', url: 'https://api.example.com/a?key=hunter2', headers: [], body: undefined };
const ANSWER = { status: 200, headers: [{ name: 'a', value: 'b' }], body: Buffer.from('answer') };

interface Setup {
  scope?: CapabilityScope;
  limits?: Partial<ExecuteRequest['limits']>;
  send?: (sender: Sender) => Promise<typeof ANSWER>;
}

const ended = new AbortController();
let open: (() => void)[] = [];
afterEach(() => {
  for (const letGo of open.splice(0)) letGo();
});

function setup({ scope = { hosts: ['api.example.com'] }, limits = {}, send }: Setup = {}) {
  const request = executeRequest();
  Object.assign(request.limits, limits);
  const senders: Sender[] = [];
  const log: string[] = [];
  const counted: unknown[] = [];
  const used = { egressBytes: 0 };
  const egress: Egress = {
    send(_request, sender) {
      senders.push(sender);
      return new Promise((resolve) => resolve(send?.(sender) ?? ANSWER));
    },
    close: () => undefined,
  };
  const denials = createDenials(request, (line) => log.push(line));
  const call = { request, signal: ended.signal, used, ...denials };
  const deps = { egress, countEgress: (...what: unknown[]) => counted.push(what) };
  const bound = httpCapability.bind?.(
    call as Partial<CallContext> as CallContext,
    scope,
    deps as Partial<CapabilityDeps> as CapabilityDeps,
  );
  const fetch = async (args: readonly WitValue[] = [GET]): Promise<unknown> =>
    bound?.['http']?.['fetch']?.(args);
  return { fetch, request, senders, log, counted, used };
}

const refused =
  (code: ErrorCode, message: string, details: Record<string, unknown> = {}) =>
  () =>
    Promise.reject(new PlatformError(code, message, { details }));

describe('http.fetch', () => {
  it('sends for its tenant and install, to the hosts of its grant', async () => {
    const { fetch, request, senders } = setup();
    expect(await fetch()).toEqual({ ok: ANSWER });
    expect(senders).toMatchObject([
      {
        tenantId: request.context.tenant_id,
        owner: request.context.install_id,
        hosts: ['api.example.com'],
        signal: ended.signal,
      },
    ]);
  });

  it('reaches nothing with a grant that names no hosts', async () => {
    const { fetch, senders } = setup({ scope: {} });
    await fetch();
    expect(senders[0]?.hosts).toEqual([]);
  });

  it.each([
    ['EGRESS_INVALID', 'invalid-url'],
    ['EGRESS_NOT_ALLOWED', 'not-allowed'],
    ['EGRESS_FAILED', 'transport'],
    ['EGRESS_LIMITED', 'internal'],
  ] as const)('tells the guest %s as %s, and its author why', async (code, err) => {
    const { fetch, log, counted } = setup({
      send: refused(code, 'why', { origin: 'https://api.example.com' }),
    });
    expect(await fetch()).toEqual({ err });
    expect(log).toEqual(['http.fetch to https://api.example.com: why']);
    expect(counted).toEqual([[err, { sent: 0, received: 0 }]]);
  });

  it('names the line of the manifest that would have allowed a host', async () => {
    const details = { rule: 'grant', host: 'api.test:8443', origin: 'https://api.test:8443' };
    const { fetch, request, log } = setup({
      send: refused('EGRESS_NOT_ALLOWED', 'not of the grant', details),
    });
    request.providers.push({ capability: 'http.fetch', scope: { hosts: ['api.example.com'] } });
    await fetch();
    expect(log).toEqual([
      'cap:http.fetch was denied for host "api.test:8443": its scope in "capabilities" of manifest.json has to hold it, as in ' +
        '{"name":"cap:http.fetch","scope":{"hosts":["api.test:8443"]}}; if it does, an admin of the tenant has narrowed the grant',
    ]);
  });

  it('lets what is our own fault end the guest', async () => {
    const { fetch } = setup({ send: () => Promise.reject(new TypeError('a bug')) });
    await expect(fetch()).rejects.toThrow('a bug');
  });

  it.each([
    ['no list of headers', { ...GET, headers: 'none' }],
    ['a body that is text', { ...GET, body: 'text' }],
    ['no URL', { ...GET, url: undefined }],
  ] as [string, WitValue][])('throws at arguments of a wrong shape: %s', async (_what, given) => {
    const { fetch, senders } = setup();
    await expect(fetch([given])).rejects.toThrow();
    expect(senders).toEqual([]);
  });

  it('sends no more than the limit of its execution, and counts what it sent', async () => {
    const sendOf = (bytes: number) => (sender: Sender) => {
      sender.onSend(bytes);
      sender.onReceive(7);
      return Promise.resolve(ANSWER);
    };
    const { fetch, used, counted, log } = setup({ limits: { egress_bytes: 100 }, send: sendOf(60) });
    expect(await fetch()).toEqual({ ok: ANSWER });
    expect(await fetch()).toEqual({ err: 'internal' });
    expect(used).toEqual({ egressBytes: 60 });
    expect(counted).toEqual([
      ['answered', { sent: 60, received: 7 }],
      ['internal', { sent: 0, received: 0 }],
    ]);
    expect(log).toEqual(['http.fetch: the execution sends more than 100 bytes']);
  });

  it('does not count what could not leave', async () => {
    const { fetch, used, counted } = setup({
      limits: { egress_bytes: 100 },
      send: (sender) => {
        sender.onSend(60);
        sender.onUnsent(60);
        throw new PlatformError('EGRESS_FAILED', 'no connection');
      },
    });
    expect([await fetch(), await fetch()]).toEqual([{ err: 'transport' }, { err: 'transport' }]);
    expect(used).toEqual({ egressBytes: 0 });
    expect(counted).toEqual([1, 2].map(() => ['transport', { sent: 0, received: 0 }]));
  });

  it('sends nothing at all where the limit is nothing', async () => {
    const { fetch } = setup({
      limits: { egress_bytes: 0 },
      send: (sender) => {
        sender.onSend(1);
        return Promise.resolve(ANSWER);
      },
    });
    expect(await fetch()).toEqual({ err: 'internal' });
  });

  it('receives no more than 16 MiB in an execution', async () => {
    const { fetch } = setup({
      send: (sender) => {
        sender.onReceive(10 * 1024 * 1024);
        return Promise.resolve(ANSWER);
      },
    });
    expect([await fetch(), await fetch()]).toEqual([{ ok: ANSWER }, { err: 'internal' }]);
  });

  it('sends a hundred requests in an execution, and no more', async () => {
    const { fetch, senders, log } = setup();
    for (let sent = 0; sent < 100; sent += 1) expect(await fetch()).toEqual({ ok: ANSWER });
    expect(await fetch()).toEqual({ err: 'internal' });
    expect(senders).toHaveLength(100);
    expect(log).toEqual(['http.fetch: the execution sends more than 100 requests']);
  });

  it('sends eight requests of an execution at once, and no more', async () => {
    const { fetch, senders } = setup({
      send: () => new Promise((resolve) => open.push(() => resolve(ANSWER))),
    });
    const first = Array.from({ length: 8 }, () => fetch());
    expect(await fetch()).toEqual({ err: 'internal' });
    for (const letGo of open) letGo();
    await Promise.all(first);
    open = [];
    const next = fetch();
    open[0]?.();
    expect(await next).toEqual({ ok: ANSWER });
    expect(senders).toHaveLength(9);
  });
});
