import { describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { hydratedInstall } from '../../test/support/hydrated-install.ts';
import type { ApiKeyCredential } from './api-keys.ts';
import { createCallFacts } from './call-facts.ts';
import type { HydratedInstall } from './hydration.ts';

/** A clock and a listener that the test moves; the clock stands at 0 and everything until then is heard. */
function start() {
  let now = 0;
  const heard = { heardUntil: 0, hurries: 0 };
  let tell: (payload?: string) => void = () => undefined;
  const reads: string[] = [];
  let install: HydratedInstall | undefined = hydratedInstall();
  let beforeAnswer: () => Promise<void> = () => Promise.resolve();
  const key: ApiKeyCredential = {
    id: randomUUID(),
    keyId: 'abc',
    tenantId: install.tenantId,
    name: 'key',
    permissions: [],
    extensionPermissions: [],
    createdBy: 'test',
    createdAt: new Date(),
    digest: Buffer.alloc(32),
  };
  const facts = createCallFacts(
    {
      hydration: {
        async byExtension(_tenantId, ref) {
          reads.push(ref);
          const answer = install;
          await beforeAnswer();
          return answer;
        },
      },
      apiKeys: {
        findByKeyId(keyId) {
          reads.push(keyId);
          return Promise.resolve(keyId === key.keyId ? key : undefined);
        },
      },
    },
    {
      on: (_channel, hear) => (tell = hear),
      get heardUntil() {
        return heard.heardUntil;
      },
      hurry: () => (heard.hurries += 1),
    },
    () => now,
  );
  const { tenantId } = install;
  return {
    facts,
    heard,
    reads,
    tenantId,
    versionId: install.versionId,
    tell: (payload?: string) => tell(payload),
    at: (ms: number) => (now = ms),
    become: (next: HydratedInstall | undefined) => (install = next),
    whileReading: (work: () => void) =>
      (beforeAnswer = () => {
        work();
        beforeAnswer = () => Promise.resolve();
        return Promise.resolve();
      }),
    read: () => facts.install(tenantId, 'a.b'),
  };
}

describe('what a call is authorised by', () => {
  it('is read once, and known from then on', async () => {
    const on = start();
    const first = await on.read();
    on.at(200);
    expect(await on.read()).toEqual(first);
    expect(on.reads).toEqual(['a.b']);
  });

  it('is as old as what was heard last', async () => {
    const on = start();
    on.at(10);
    expect((await on.read())?.asOf).toBe(10);
    on.heard.heardUntil = 300;
    on.at(500);
    expect((await on.read())?.asOf).toBe(300);
  });

  it.each([
    ['of its tenant', ({ tenantId }: { tenantId: string }) => `tenant ${tenantId}`],
    ['of its version', ({ versionId }: { versionId: string }) => `version ${versionId}`],
    ['that nobody may have heard', () => undefined],
  ])('is read again after a change %s', async (_what, payload) => {
    const on = start();
    await on.read();
    on.become(undefined);
    on.tell(payload(on));
    expect(await on.read()).toBeUndefined();
  });

  it.each([`tenant ${randomUUID()}`, `version ${randomUUID()}`, 'key abc'])(
    'stays known after a change of others: %s',
    async (payload) => {
      const on = start();
      await on.read();
      on.tell(payload);
      await on.read();
      expect(on.reads).toHaveLength(1);
    },
  );

  it('is not remembered when it changed while it was read', async () => {
    const on = start();
    on.whileReading(() => on.tell(`tenant ${on.tenantId}`));
    await on.read();
    await on.read();
    expect(on.reads).toHaveLength(2);
  });

  it('is looked up while nothing is heard, and not remembered', async () => {
    const on = start();
    await on.read();
    on.at(701);
    on.become(undefined);
    expect(await on.read()).toBeUndefined();
    on.heard.heardUntil = -Infinity;
    on.become(hydratedInstall());
    await on.read();
    on.heard.heardUntil = 701;
    on.become(undefined);
    on.tell();
    expect(await on.read()).toBeUndefined();
  });

  it('is not remembered where there is none', async () => {
    const on = start();
    on.become(undefined);
    expect(await on.read()).toBeUndefined();
    on.become(hydratedInstall());
    expect(await on.read()).toBeDefined();
  });

  it.each([
    ['its tenant', (tenantId: string) => tenantId],
    ['any tenant', () => undefined],
  ])('is looked up while a request changes things of %s, and until that is heard', async (_of, who) => {
    const on = start();
    await on.read();
    const over = on.facts.changing(who(on.tenantId));
    await on.read();
    expect(on.reads).toHaveLength(2);
    on.at(100);
    over();
    expect(on.heard.hurries).toBe(1);
    await on.read();
    expect(on.reads).toHaveLength(3);
    on.heard.heardUntil = 101;
    await on.read();
    expect(on.reads).toHaveLength(3);
  });

  it('stays known while another tenant changes things', async () => {
    const on = start();
    await on.read();
    on.facts.changing(randomUUID());
    await on.read();
    expect(on.reads).toHaveLength(1);
  });
});

describe('an API key', () => {
  it('is read once, and again after it changed', async () => {
    const on = start();
    await on.facts.apiKey('abc');
    await on.facts.apiKey('abc');
    expect(on.reads).toHaveLength(1);
    on.tell('key abc');
    await on.facts.apiKey('abc');
    expect(on.reads).toHaveLength(2);
  });

  it('is read each time where there is none, so that guesses fill no memory', async () => {
    const on = start();
    await on.facts.apiKey('nope');
    await on.facts.apiKey('nope');
    expect(on.reads).toHaveLength(2);
  });
});
