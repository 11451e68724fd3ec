import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { startRunner, type Execution, type TestRunner } from '../support/start-runner.ts';
import { takenOver } from '../support/taken-over.ts';

const SECRET = 'hunter2-tenant';
const MIB = 1024 * 1024;

let runner: TestRunner;
beforeAll(async () => {
  runner = await startRunner();
});
afterAll(async () => {
  await runner.close();
});
beforeEach(() => {
  runner.log.length = 0;
});

/** A script that does so at the call, and another thing when it is loaded. */
const glue = (onCall: string, onLoad = ''): string => `
  const outcome = (fields) => say(FRAME.outcome, EXECUTION, { ok: false, code: 'GUEST_ERROR', message: '', memoryBytes: 1, cpuMs: 1, fuel: 1, ...fields });
  const answer = (fields) => ({ status: 200, headers: [], ...fields });
  ${onLoad}
  export const instantiate = () => ({ handler: async () => { ${onCall} return answer({}); } });
`;

async function execute(source: string): Promise<Execution> {
  const artifact = takenOver(source);
  await runner.publish(artifact);
  return runner.execute({ tenantId: randomUUID(), contentHash: artifact.contentHash });
}

/** Ours, as opposed to what guests and sandboxes say. */
function platformLines(): string[] {
  return runner.log.filter((line) => line['stream'] === undefined).map((line) => JSON.stringify(line));
}

function expectLinesToBeOurs(): void {
  expect(platformLines().filter((line) => line.includes(SECRET))).toEqual([]);
  expect(Math.max(...runner.log.map((line) => JSON.stringify(line).length))).toBeLessThan(4 * 1024);
}

describe('a sandbox that a guest has taken over', () => {
  it('has its words cut, and kept out of the lines of the platform', async () => {
    const { head } = await execute(glue(`outcome({ message: '${SECRET}'.repeat(30_000) });`));
    expect(head.error?.code).toBe('GUEST_ERROR');
    expect(JSON.stringify(head)).not.toContain(SECRET);
    const said = runner.log.find((line) => line['from'] === 'sandbox');
    expect(String(said?.['msg'])).toHaveLength(1024);
    expectLinesToBeOurs();
  });

  it('cannot claim more memory, time and fuel than there were', async () => {
    const { head } = await execute(glue('outcome({ memoryBytes: 1e300, cpuMs: 1e300, fuel: 1e300 });'));
    expect(head.error?.code).toBe('GUEST_ERROR');
    expect(head.metrics.memory_bytes).toBe(64 * MIB);
    expect(head.metrics.cpu_ms).toBeLessThan(60 * 60_000);
    expect(head.metrics.fuel).toBeLessThan(1e15);
  });

  it.each([
    ['figures that are none', `outcome({ cpuMs: NaN });`],
    ['figures below zero', `outcome({ memoryBytes: -1 });`],
    ['members nobody knows', `outcome({ ['${SECRET}'.repeat(10_000)]: '${SECRET}' });`],
    ['members of a wrong kind', `outcome({ code: '${SECRET}' });`],
    ['what is no JSON', `say(FRAME.outcome, EXECUTION, '${SECRET}');`],
    ['a head of more than a MiB', `outcome({ message: 'x'.repeat(${MIB}) });`],
    ['more values than may be', `outcome({ message: Array(10_001).fill(0) });`],
    ['a call of more than a MiB', `announce(FRAME.call, EXECUTION, 2, ${MIB} + 12);`],
    ['a longer answer than was asked for', `announce(FRAME.outcome, EXECUTION, 2, 64 * ${MIB});`],
    ['frames nobody knows', `say(99, EXECUTION, { text: '${SECRET}' });`],
  ])('is ended for %s, which are not quoted', async (_what, onCall) => {
    const { head } = await execute(glue(onCall));
    expect(head.error?.code).toBe('GUEST_TRAPPED');
    expect(platformLines().join()).toContain('sandbox broke the protocol');
    expectLinesToBeOurs();
  });

  it('gets one line for any number of calls that nobody serves', async () => {
    const call = `{ call: 1000 + id, interfaceName: 'storage', functionName: '${SECRET}', args: [] }`;
    const many = `for (let id = 1; id <= 16; id += 1) say(FRAME.call, EXECUTION, ${call});`;
    await execute(glue(`${many} await new Promise(setImmediate); ${many}`));
    expect(platformLines().filter((line) => line.includes('host call failed'))).toHaveLength(1);
    expectLinesToBeOurs();
  });

  it('is not listened to about executions that are none', async () => {
    const { head } = await execute(glue(`say(FRAME.outcome, 99, 'no JSON');`));
    expect(head.error).toBeUndefined();
    expect(head.status).toBe(200);
  });

  it('says why it did not load in its own stream', async () => {
    const { head } = await execute(glue('', `throw new Error('${SECRET}'.repeat(1_000));`));
    expect(head.error?.code).toBe('ARTIFACT_INVALID');
    expect(runner.log.find((line) => line['stream'] === 'sandbox')).toMatchObject({
      text: expect.stringContaining(SECRET) as unknown,
    });
    expectLinesToBeOurs();
  });
});

describe("a guest's answer that is none", () => {
  it.each([
    ['more headers than may be', `Array(1_001).fill({ name: 'x-a', value: '' })`],
    ['longer headers than may be', `[{ name: 'x-a', value: '\\0'.repeat(${MIB}) }]`],
  ])('ends alone with %s', async (_what, headers) => {
    const { head } = await execute(glue(`return answer({ headers: ${headers} });`));
    expect(head.error?.code).toBe('GUEST_RESPONSE_TOO_LARGE');
    expect(platformLines().join()).not.toContain('broke the protocol');
  });

  it.each([
    ['a header value', `{ name: 'x-token', value: '${SECRET}\\r\\n' }`],
    ['a header name', `{ name: '${SECRET} ', value: '' }`],
  ])('is refused without a word of %s', async (_what, header) => {
    const { head } = await execute(glue(`return answer({ headers: [${header}] });`));
    expect(head.error?.code).toBe('GUEST_ERROR');
    expect(JSON.stringify(head)).not.toContain(SECRET);
    expectLinesToBeOurs();
  });
});
