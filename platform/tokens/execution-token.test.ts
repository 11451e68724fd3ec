import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { executeRequest } from '../../test/support/execute-request.ts';
import { executionTokenKey, makeExecutionToken, readExecutionToken } from './execution-token.ts';
import { signExecutionToken } from './signed-execution-token.ts';

const newKey = () => executionTokenKey(generateKeyPairSync('ed25519').privateKey);
const request = (timeoutMs = 1000) =>
  executeRequest({ limits: { timeout_ms: timeoutMs, memory_mb: 64, response_bytes: 1000 } });

const invalid = expect.objectContaining({ code: 'TOKEN_INVALID' });

describe('an execution token', () => {
  it('says for whom and for which attempt it was made', () => {
    const key = newKey();
    const { context, limits } = request();
    const user = { user_id: 'u', user_email: '', user_name: '', user_type: '' };
    const said = readExecutionToken([key], makeExecutionToken(key, { context, limits, user }, 2));
    expect(said).toEqual({
      exp: expect.any(Number),
      tenant: context.tenant_id,
      extension: context.extension_id,
      install: context.install_id,
      version: context.version_id,
      hash: context.content_hash,
      execution: context.execution_id,
      attempt: 2,
      user: 'u',
    });
  });

  it('is refused when it has expired, was altered, or is of another key or form', async () => {
    const pair = generateKeyPairSync('ed25519');
    const key = executionTokenKey(pair.privateKey);
    const token = makeExecutionToken(key, request(), 1);
    const [form = '', payload = '', mac = ''] = token.split('.');
    const other = Buffer.from(JSON.stringify({ exp: Date.now() + 60_000 })).toString('base64url');
    const bad = [
      makeExecutionToken(key, request(-60_000), 1),
      makeExecutionToken(newKey(), request(), 1),
      `${form}.${other}.${mac}`,
      `${form}.${payload}.${'A'.repeat(43)}`,
      `${form}.${payload}`,
      `m2.${payload}.${mac}`,
      '',
      await signExecutionToken(pair.privateKey, 'http://runner', request()),
    ];
    for (const each of bad) expect(() => readExecutionToken([key], each)).toThrow(invalid);
    expect(() => readExecutionToken([key], token)).not.toThrow();
  });

  it('of the key before is read while that is told', () => {
    const [before, now] = [newKey(), newKey()];
    const token = makeExecutionToken(before, request(), 1);
    expect(readExecutionToken([now, before], token)).toMatchObject({ attempt: 1 });
    expect(() => readExecutionToken([now], token)).toThrow(invalid);
  });
});
