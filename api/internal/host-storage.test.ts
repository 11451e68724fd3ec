import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import { HOST_FRAME_TYPE } from '../../core/api/host-storage.ts';
import { createHttpServer } from '../../platform/http/http-server.ts';
import { executeRequest } from '../../test/support/execute-request.ts';
import { createExecutionTokens } from '../execution/execution-tokens.ts';
import { createHostStorageRouter } from './host-storage.ts';
import { createStorageCalls } from './host-storage-calls.ts';

const executionTokens = createExecutionTokens(generateKeyPairSync('ed25519').privateKey);
const PIECE_MS = 100;

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

/** A gateway whose database takes its time for a piece that is not the last. */
async function setup() {
  const never = (): never => {
    throw new Error('not asked');
  };
  const list = async () => {
    await delay(PIECE_MS);
    return { records: [], more: true };
  };
  const records = { get: never, put: never, remove: never, list };
  const calls = createStorageCalls({ check: () => Promise.resolve() });
  const app = express().use(createHostStorageRouter({ records, calls, executionTokens }));
  const server = createHttpServer(app);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  cleanups.push(() => server.close(0));
  const request = executeRequest({ limits: { timeout_ms: 10_000, memory_mb: 64, response_bytes: 1_000 } });
  const attempt = { attempt: 1, audience: 'http://runner', sealed: true };
  const token = await executionTokens.make(request, attempt);
  return async (): Promise<{ status: number; tookMs: number }> => {
    const began = performance.now();
    const { status } = await fetch(`http://127.0.0.1:${port}/list`, {
      method: 'POST',
      headers: {
        accept: HOST_FRAME_TYPE,
        'content-type': 'application/json',
        'x-execution-token': token,
      },
      body: JSON.stringify({ namespace: 'notes' }),
    });
    return { status, tookMs: performance.now() - began };
  };
}

describe('a list in pieces', () => {
  it('rests after each as long as it took, so that half of the time is the neighbours’', async () => {
    const ask = await setup();
    const { status, tookMs } = await ask();
    expect(status).toBe(200);
    expect(tookMs).toBeGreaterThanOrEqual(2 * PIECE_MS - 10);
  });
});
