import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { runnerAnnouncement } from '../../core/execute.ts';
import { executionInput, hydratedInstall } from '../../test/support/hydrated-install.ts';
import { executeRequestOf } from './execute-request.ts';
import { createExecutionTokens } from './execution-tokens.ts';

const announced = runnerAnnouncement.parse({});
const input = executionInput();
const request = executeRequestOf(hydratedInstall(), input, { secretsKeyId: 'k', now: 0, announced });

describe.each([
  ['made', true],
  ['signed, as older releases do,', false],
] as const)('a token that was %s', (_how, sealed) => {
  const make = (tokens: ReturnType<typeof createExecutionTokens>) =>
    tokens.make(request, { attempt: 1, audience: 'http://runner', sealed });

  it('is believed by every gateway with its key, as the current or as the previous one', async () => {
    const [before, now] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
    const token = await make(createExecutionTokens(before.privateKey));
    for (const gateway of [
      createExecutionTokens(before.privateKey),
      createExecutionTokens(now.privateKey, before.privateKey),
    ]) {
      expect(await gateway.check(token)).toMatchObject({ execution: input.executionId });
    }
    const other = createExecutionTokens(now.privateKey);
    await expect(other.check(token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    await expect(other.check('')).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });
});
