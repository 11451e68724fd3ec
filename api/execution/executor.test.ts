import { createPublicKey, randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import type { ExecuteRequest } from '../../core/execute.ts';
import type { HydratedInstall } from '../../platform/db/hydration.ts';
import { verifySignedExecutionToken } from '../../platform/tokens/signed-execution-token.ts';
import { ANNOUNCED, executorWith, fine, privateKey } from '../../test/support/executor-with.ts';
import { executionInput, hydratedInstall } from '../../test/support/hydrated-install.ts';
import { createExecutionTokens } from './execution-tokens.ts';
import type { RunnerAnswer } from './runner-client.ts';

describe('an execution', () => {
  it('goes to the runner picked for its tenant, with a token for that one alone', async () => {
    const { executor, sent } = executorWith();
    const [one, other] = [randomUUID(), randomUUID()];
    for (const tenantId of [one, other]) await executor.run(hydratedInstall({ tenantId }), executionInput());
    expect(sent.map(({ runner }) => runner)).toEqual([one, other]);
    const key = createPublicKey(privateKey);
    const token = sent[0]?.token ?? '';
    expect(await verifySignedExecutionToken(key, token, `http://${one}`)).toMatchObject({ tenant: one });
    await expect(verifySignedExecutionToken(key, token, `http://${other}`)).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
    });
  });

  it('that was held up begins if the install is as it was', async () => {
    const { executor, sent } = executorWith();
    const install = hydratedInstall();
    const allowAgain = () => Promise.resolve({ fact: { ...install }, asOf: performance.now() });
    const heldUp = { ...executionInput(), allowedAsOf: performance.now() - 10_000, allowAgain };
    expect(await executor.run(install, heldUp)).toMatchObject({ ok: true });
    expect(sent).toHaveLength(1);
  });

  it('that was held up begins as what its install is by then', async () => {
    const { executor, sent } = executorWith();
    const install = hydratedInstall();
    const fact = { ...install, contentHash: 'sha256:of-another-version' };
    const allowAgain = () => Promise.resolve({ fact, asOf: performance.now(), timeoutMs: 123 });
    const heldUp = { ...executionInput(), allowedAsOf: performance.now() - 10_000, allowAgain };
    expect(await executor.run(install, heldUp)).toMatchObject({ ok: true });
    expect(sent).toMatchObject([
      { request: { context: { content_hash: fact.contentHash }, limits: { timeout_ms: 123 } } },
    ]);
  });

  it.each<[string, Partial<HydratedInstall>, number]>([
    ['that changed meanwhile', { configVersion: 2 }, 0],
    ['that could not be looked up in time either', {}, 10_000],
  ])('of an install %s does not begin if it is held up once it has its turn', async (_what, change, ago) => {
    const { executor, sent, rows } = executorWith();
    const install = hydratedInstall();
    const first = { fact: install, asOf: performance.now() - 10_000 };
    const second = { fact: { ...install, ...change }, asOf: performance.now() - ago };
    const known = [first];
    const allowAgain = () => Promise.resolve(known.shift() ?? second);
    const heldUp = { ...executionInput(), allowedAsOf: performance.now() - 10_000, allowAgain };
    await expect(executor.run(install, heldUp)).rejects.toMatchObject({ code: 'GATEWAY_UNAVAILABLE' });
    expect(sent).toEqual([]);
    expect([...rows.values()]).toEqual(['GATEWAY_UNAVAILABLE']);
  });

  it('that may not begin any more after it was held up is refused as it would be now', async () => {
    const { executor, sent } = executorWith();
    const allowAgain = () => Promise.reject(new PlatformError('INSTALL_PAUSED', 'paused'));
    const heldUp = { ...executionInput(), allowedAsOf: performance.now() - 10_000, allowAgain };
    await expect(executor.run(hydratedInstall(), heldUp)).rejects.toMatchObject({ code: 'INSTALL_PAUSED' });
    expect(sent).toEqual([]);
  });

  it('carries a token that was not signed, and the epoch, for a runner that takes sealed requests', async () => {
    const sealing = { ...ANNOUNCED, seal_epoch: 'e'.repeat(22) };
    const announcements = { current: () => sealing, renewed: () => Promise.resolve(sealing) };
    const { executor, sent } = executorWith(undefined, announcements);
    const input = executionInput();
    await executor.run(hydratedInstall(), input);
    expect(sent).toMatchObject([{ sealEpoch: sealing.seal_epoch, token: expect.stringMatching(/^m1\./) }]);
    const said = await createExecutionTokens(privateKey).check(sent[0]?.token ?? '');
    expect(said).toMatchObject({ execution: input.executionId, attempt: 1 });
  });

  it('of a tenant that has enough of them is refused before it costs a row or the runner anything', async () => {
    const gate = Promise.withResolvers<RunnerAnswer>();
    const { executor, sent, rows } = executorWith(() => gate.promise, undefined, 1);
    const [loud, quiet] = [hydratedInstall(), hydratedInstall()];
    const running = executor.run(loud, executionInput());
    await expect(executor.run(loud, executionInput())).rejects.toMatchObject({ code: 'CONCURRENCY_LIMITED' });
    const neighbour = executor.run(quiet, executionInput());
    gate.resolve(fine);
    expect(await Promise.all([running, neighbour])).toMatchObject([{ ok: true }, { ok: true }]);
    expect(await executor.run(loud, executionInput())).toMatchObject({ ok: true });
    expect(sent).toHaveLength(3);
    expect(rows.size).toBe(3);
  });

  it('that waits for a place of its install holds none of its tenant', async () => {
    const gate = Promise.withResolvers<RunnerAnswer>();
    const { executor } = executorWith(() => gate.promise, undefined, 2, 1);
    const loud = hydratedInstall();
    const other = hydratedInstall({ tenantId: loud.tenantId, installId: randomUUID() });
    const [first, second] = [executor.run(loud, executionInput()), executor.run(loud, executionInput())];
    const beside = executor.run(other, executionInput());
    await expect(second).rejects.toMatchObject({ code: 'CONCURRENCY_LIMITED' });
    gate.resolve(fine);
    expect(await Promise.all([first, beside])).toMatchObject([{ ok: true }, { ok: true }]);
  });

  it('that waited goes on as soon as another has ended', async () => {
    const gates = [Promise.withResolvers<RunnerAnswer>(), Promise.withResolvers<RunnerAnswer>()];
    const { executor, sent } = executorWith(
      () => gates[sent.length - 1]?.promise ?? Promise.reject(new Error()),
      undefined,
      1,
    );
    const install = hydratedInstall();
    const [first, second] = [
      executor.run(install, executionInput()),
      executor.run(install, executionInput()),
    ];
    gates[0]?.resolve(fine);
    expect(await first).toMatchObject({ ok: true });
    gates[1]?.resolve(fine);
    expect(await second).toMatchObject({ ok: true });
    expect(sent).toHaveLength(2);
  });

  it('of an install that has enough of them is refused, and another of its tenant is not', async () => {
    const gate = Promise.withResolvers<RunnerAnswer>();
    const { executor } = executorWith(() => gate.promise, undefined, 3, 2);
    const loud = hydratedInstall();
    const other = hydratedInstall({ tenantId: loud.tenantId, installId: randomUUID() });
    const running = [executor.run(loud, executionInput()), executor.run(loud, executionInput())];
    await expect(executor.run(loud, executionInput())).rejects.toMatchObject({ code: 'CONCURRENCY_LIMITED' });
    running.push(executor.run(other, executionInput()));
    gate.resolve(fine);
    for (const result of await Promise.all(running)) expect(result).toMatchObject({ ok: true });
    expect(await executor.run(loud, executionInput())).toMatchObject({ ok: true });
  });

  it('is not begun once the gateway drains, and drain waits for what runs and for its row', async () => {
    const gate = Promise.withResolvers<RunnerAnswer>();
    const { executor, sent, rows } = executorWith(() => gate.promise);
    const running = executor.run(hydratedInstall(), executionInput());
    const drained = executor.drain();
    await expect(executor.run(hydratedInstall(), executionInput())).rejects.toMatchObject({
      code: 'GATEWAY_UNAVAILABLE',
    });
    expect([...rows.values()]).toEqual(['running']);
    gate.resolve(fine);
    expect(await running).toMatchObject({ ok: true });
    await drained;
    expect([...rows.values()]).toEqual(['succeeded']);
    expect(sent).toHaveLength(1);
  });

  it('that the runner refused ends its row with the code', async () => {
    const { executor, rows } = executorWith(() => Promise.reject(new PlatformError('RUNNER_BUSY', 'busy')));
    await expect(executor.run(hydratedInstall(), executionInput())).rejects.toMatchObject({
      code: 'RUNNER_BUSY',
    });
    await executor.drain();
    expect([...rows.values()]).toEqual(['RUNNER_BUSY']);
  });

  describe('on a runner that was rolled back', () => {
    const newer = { ...ANNOUNCED, capabilities: [...ANNOUNCED.capabilities, 'http.fetch'] };
    const install = hydratedInstall({ grants: [{ capability: 'http.fetch', scope: {} }] });
    const refused = new PlatformError('INTERNAL', 'refused', { details: { runnerCode: 'INPUT_INVALID' } });
    const asks = (request: ExecuteRequest): boolean =>
      request.providers.some(({ capability }) => capability === 'http.fetch');

    it('is sent once more, with what the runner announces now and a token of its own', async () => {
      const { executor, sent, rows } = executorWith(
        (_runner, request) => (asks(request) ? Promise.reject(refused) : Promise.resolve(fine)),
        { current: () => newer, renewed: () => Promise.resolve(ANNOUNCED) },
      );
      expect(await executor.run(install, executionInput())).toMatchObject({ ok: true });
      expect(sent.map(({ request }) => asks(request))).toEqual([true, false]);
      expect(new Set(sent.map(({ token }) => token)).size).toBe(2);
      await executor.drain();
      expect([...rows.values()]).toEqual(['succeeded']);
    });

    it('is not sent a third time', async () => {
      const { executor, sent, rows } = executorWith(() => Promise.reject(refused));
      await expect(executor.run(install, executionInput())).rejects.toMatchObject({ code: 'INTERNAL' });
      expect(sent).toHaveLength(2);
      await executor.drain();
      expect([...rows.values()]).toEqual(['INTERNAL']);
    });
  });

  it('of which no runner was ever heard is not sent, and its row says why', async () => {
    const away = (): Promise<never> => Promise.reject(new PlatformError('RUNNER_UNAVAILABLE', 'away'));
    const { executor, sent, rows } = executorWith(undefined, { current: away, renewed: away });
    await expect(executor.run(hydratedInstall(), executionInput())).rejects.toMatchObject({
      code: 'RUNNER_UNAVAILABLE',
    });
    await executor.drain();
    expect([sent.length, ...rows.values()]).toEqual([0, 'RUNNER_UNAVAILABLE']);
  });
});
