import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { PlatformError, statusOf } from '../../core/errors.ts';
import {
  OUTCOME_CODES,
  REFUSAL_CODES,
  type OutcomeCode,
  type RefusalCode,
} from '../../core/execute-codes.ts';
import type { ExecuteRequest, ExecuteResponse } from '../../core/execute.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { SENDING_NOTHING } from '../../test/support/fake-egress.ts';
import { createBoundedTurns } from '../../platform/bounded-turns.ts';
import { createLogger } from '../../platform/logger.ts';
import { generateSecretsKeyPair } from '../../platform/secrets/sealing-suite.ts';
import { signExecutionToken } from '../../platform/tokens/signed-execution-token.ts';
import { executeRequest } from '../../test/support/execute-request.ts';
import { createConcurrency } from '../execution/concurrency.ts';
import { createGuestLogs } from '../execution/guest-log.ts';
import { createRunExecution } from '../execution/run-execution.ts';
import type { SandboxOutcome } from '../sandbox/child-messages.ts';
import { createSandboxPool } from '../sandbox/pool.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { SandboxLostError } from '../sandbox/sandbox-lost.ts';
import { createExecuteHandler } from './execute.ts';
import { createGatewayRequests } from './gateway-requests.ts';
import { createPrivateServer } from './server.ts';
import { createWarmHandler } from './warm.ts';

const AUDIENCE = 'http://runner.test:8090';
const keys = generateKeyPairSync('ed25519');
const logger = createLogger({ level: 'silent', process: 'runner' });
const artifact = { contentHash: `sha256:${'a'.repeat(64)}`, coreModules: {}, imports: [] };

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

interface Faults {
  /** Of the caches. */
  artifact?: () => Promise<never>;
  /** Of the sandbox. */
  load?: () => Promise<never>;
  run?: () => Promise<SandboxOutcome>;
  /** Whether it does not start. */
  isSpoilt?: boolean;
  /** Of a tenant, and of an install. */
  places?: number;
}

/** The runner's listener, pool and executions, with a sandbox and caches that fail as they are told. */
async function setup(faults: Faults = {}) {
  const used = { memoryBytes: 1, cpuMs: 1, fuel: 1 };
  const fine: SandboxOutcome = { ok: true, response: { status: 200, headers: [] }, ...used };
  const sandbox: Sandbox = {
    pid: 1,
    ready: Promise.resolve(faults.isSpoilt !== true),
    exited: new Promise(() => undefined),
    alive: true,
    busy: 0,
    residentBytes: 0,
    saturated: false,
    has: () => false,
    measure: () => Promise.resolve(),
    show: () => undefined,
    beat: () => undefined,
    load: faults.load ?? (() => Promise.resolve()),
    run: faults.run ?? (() => Promise.resolve(fine)),
    kill: () => undefined,
  };
  const pool = createSandboxPool(
    {
      spares: 0,
      max: 2,
      tenantMax: 2,
      memoryBytes: 1e9,
      tenantMemoryBytes: 1e9,
      maxWaiting: 8,
      idleMs: 60_000,
    },
    { createSandbox: () => sandbox, countEnd: () => undefined, logger },
  );
  const places = faults.places ?? 8;
  const concurrency = createConcurrency({ tenant: places, install: places });
  const bundles = { artifact: faults.artifact ?? (() => Promise.resolve(artifact as never)) };
  const guestLogs = createGuestLogs({ logger, bytesPerMinute: 0 });
  const hostApi = { call: () => Promise.reject(new Error('not called')) } as never;
  const secretsKey = generateSecretsKeyPair().privateKey;
  const capabilities = { ...SENDING_NOTHING, hostApi, secretsKey, now: Date.now };
  const server = createPrivateServer({
    gatewayRequests: createGatewayRequests({
      serviceToken: new SecretValue('service'),
      audience: AUDIENCE,
      olderGateways: true,
      now: Date.now,
    }),
    execute: createExecuteHandler({
      runExecution: createRunExecution({
        pool,
        concurrency,
        scope: 'tenant',
        bundles,
        capabilities,
        guestLogs,
        stacks: { map: (_hash, text) => Promise.resolve(text) },
        countHostCall: () => undefined,
        turns: createBoundedTurns({ atOnce: 1, waiting: 0 }),
      }),
      olderTokenKey: keys.publicKey,
      audience: AUDIENCE,
      logger,
      now: Date.now,
    }),
    warm: createWarmHandler({ pool, concurrency, bundles }),
    metrics: { read: (_req, res) => void res.end('metrics'), token: new SecretValue('metrics') },
    unreadiness: () => undefined,
    announcement: { limits: [], capabilities: [] },
    logger,
  });
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  cleanups.push(async () => {
    await server.close(0);
    guestLogs.close();
  });
  const send = (path: string, init: { method?: string; headers?: Record<string, string>; body?: string }) =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      ...init,
      headers: { authorization: 'Bearer service', 'content-type': 'application/json', ...init.headers },
    });
  return {
    pool,
    send,
    execute: async () => {
      const request = smallRequest();
      const token = await signExecutionToken(keys.privateKey, AUDIENCE, request);
      return send('/v1/execute', { headers: { 'x-execution-token': token }, body: JSON.stringify(request) });
    },
    warm: () =>
      send('/v1/warm', {
        body: JSON.stringify({ tenant_id: randomUUID(), content_hash: artifact.contentHash }),
      }),
  };
}

/** Of this file's artifact, and with room for hardly any answer. */
function smallRequest(): ExecuteRequest {
  const { context, limits, ...rest } = executeRequest();
  return {
    ...rest,
    context: { ...context, content_hash: artifact.contentHash },
    limits: { ...limits, response_bytes: 10 },
  };
}

const failing = (code: OutcomeCode) => () => Promise.reject(new PlatformError(code, 'as told'));
const told = (code: (SandboxOutcome & { ok: false })['code']) => () =>
  Promise.resolve({
    ok: false,
    code,
    message: 'as told',
    memoryBytes: 1,
    cpuMs: 1,
    fuel: 1,
    egressBytes: 0,
  } as const);

/** How each comes about. A code that is added to the contract has none here, and the types say so. */
const OUTCOMES: Record<OutcomeCode, Faults> = {
  GUEST_TRAPPED: { load: failing('GUEST_TRAPPED') },
  GUEST_OUT_OF_MEMORY: { run: () => Promise.reject(new SandboxLostError('memory', true, true)) },
  GUEST_OUT_OF_FUEL: { run: told('GUEST_OUT_OF_FUEL') },
  GUEST_TIMEOUT: { run: told('GUEST_TIMEOUT') },
  GUEST_ERROR: { run: told('GUEST_ERROR') },
  GUEST_RESPONSE_TOO_LARGE: {
    run: () =>
      Promise.resolve({
        ok: true,
        response: { status: 200, headers: [], body: new Uint8Array(11) },
        memoryBytes: 1,
        egressBytes: 0,
        cpuMs: 1,
        fuel: 1,
      }),
  },
  SANDBOX_LOST: { run: () => Promise.reject(new SandboxLostError('timeout', false, false)) },
  BUNDLE_UNAVAILABLE: { artifact: failing('BUNDLE_UNAVAILABLE') },
  OBJECT_STORE_UNAVAILABLE: { artifact: failing('OBJECT_STORE_UNAVAILABLE') },
  ARTIFACT_INVALID: { load: failing('ARTIFACT_INVALID') },
  SIGNATURE_REVOKED: { load: failing('SIGNATURE_REVOKED') },
  GATEWAY_UNAVAILABLE: { load: failing('GATEWAY_UNAVAILABLE') },
  INTERNAL: { run: told('INTERNAL') },
};

const REFUSALS: Record<RefusalCode, () => Promise<Response>> = {
  INPUT_INVALID: async () => (await setup()).send('/v1/execute', { body: '{}' }),
  MEDIA_TYPE_UNSUPPORTED: async () =>
    (await setup()).send('/v1/execute', { headers: { 'content-type': 'text/plain' }, body: '{}' }),
  BODY_TOO_LARGE: async () => (await setup()).send('/v1/warm', { body: ' '.repeat(5000) }),
  METHOD_NOT_ALLOWED: async () => (await setup()).send('/v1/warm', { method: 'PUT', body: '{}' }),
  NOT_FOUND: async () => (await setup()).send('/v2/execute', { body: '{}' }),
  UNAUTHENTICATED: async () =>
    (await setup()).send('/v1/execute', { headers: { authorization: 'Bearer no' } }),
  TOKEN_INVALID: async () => (await setup()).send('/v1/execute', { body: JSON.stringify(smallRequest()) }),
  CONCURRENCY_LIMITED: async () => (await setup({ places: 0 })).execute(),
  RUNNER_BUSY: async () => (await setup({ isSpoilt: true })).execute(),
  RUNNER_DRAINING: async () => {
    const { pool, execute } = await setup();
    await pool.close(0);
    return execute();
  },
  INTERNAL: async () => (await setup({ run: () => Promise.reject(new Error('a bug')) })).execute(),
  BUNDLE_UNAVAILABLE: async () => (await setup({ artifact: failing('BUNDLE_UNAVAILABLE') })).warm(),
  OBJECT_STORE_UNAVAILABLE: async () =>
    (await setup({ artifact: failing('OBJECT_STORE_UNAVAILABLE') })).warm(),
  ARTIFACT_INVALID: async () => (await setup({ load: failing('ARTIFACT_INVALID') })).warm(),
  SIGNATURE_REVOKED: async () => (await setup({ load: failing('SIGNATURE_REVOKED') })).warm(),
  GATEWAY_UNAVAILABLE: async () => (await setup({ load: failing('GATEWAY_UNAVAILABLE') })).warm(),
  GUEST_TRAPPED: async () => (await setup({ load: failing('GUEST_TRAPPED') })).warm(),
  GUEST_TIMEOUT: async () => (await setup({ load: failing('GUEST_TIMEOUT') })).warm(),
  GUEST_OUT_OF_MEMORY: async () =>
    (await setup({ load: () => Promise.reject(new SandboxLostError('memory', true, false)) })).warm(),
};

describe("the runner's contract", () => {
  it.each(OUTCOME_CODES)("tells %s in a 200's body, with the status a client is given", async (code) => {
    const response = await (await setup(OUTCOMES[code])).execute();
    expect(response.status).toBe(200);
    const answer = (await response.json()) as ExecuteResponse;
    expect([answer.status, answer.error?.code]).toEqual([statusOf(code), code]);
    expect(answer).toHaveProperty('metrics.duration_ms');
  });

  it.each(REFUSAL_CODES)('refuses with %s and its own status, and says when to try again', async (code) => {
    const response = await REFUSALS[code]();
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ code, title: code, status: statusOf(code) });
    expect(response.status).toBe(statusOf(code));
    expect(response.headers.get('retry-after')).toBe([429, 503].includes(response.status) ? '1' : null);
  });

  it('answers no code that is not of the contract', async () => {
    const other = () => Promise.reject(new PlatformError('STORAGE_LIMIT', 'of some other place'));
    const { execute, warm } = await setup({ artifact: other });
    for (const response of [await execute(), await warm()]) {
      expect(response.status).toBe(500);
      expect(await response.json()).toMatchObject({ code: 'INTERNAL', detail: 'internal error' });
    }
  });

  it('tells metrics to their own credential, which opens nothing else', async () => {
    const { send } = await setup();
    const read = (credential: string) =>
      send('/metrics', { method: 'GET', headers: { authorization: `Bearer ${credential}` } });
    expect(await (await read('metrics')).text()).toBe('metrics');
    expect((await read('service')).status).toBe(401);
    expect((await read('')).status).toBe(401);
    const { status } = await send('/v1/execute', { headers: { authorization: 'Bearer metrics' } });
    expect(status).toBe(401);
  });
});
