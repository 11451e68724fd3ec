import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startCompany, type Company, type Member } from '../support/company.ts';
import { eventually } from '../support/eventually.ts';

/** Each calls one after the other. */
const CALLERS_EACH = 2;

interface Ended {
  status: number;
  code?: string;
}

let company: Company;
beforeAll(async () => {
  company = await startCompany('company');
}, 300_000);
afterAll(() => company.close());

async function call(
  url: string,
  { root, key }: Member,
  { method, path }: { method: string; path: string },
): Promise<Ended> {
  const body = method === 'POST' ? 'bytes' : undefined;
  const response = await fetch(`${url}${root}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}` },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  if (response.status === 200) return { status: 200 };
  return { status: response.status, code: (JSON.parse(text) as { code: string }).code };
}

const ECHO = { method: 'POST', path: '/echo' };
const HEALTH = { method: 'GET', path: '/health' };

/** Of a connection that none listens for, or that ended before its request was read: as a client may meet it that had it idle. */
const UNREAD = ['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'];

/** A client that has both gateways, and goes to the other one where its request was not read. */
async function callAny(urls: string[], member: Member, endpoint: typeof ECHO): Promise<Ended> {
  try {
    return await call(urls[0] ?? '', member, endpoint);
  } catch (err) {
    const { code = '' } = (err as { cause?: { code?: string } }).cause ?? {};
    if (!UNREAD.includes(code)) throw err;
    return call(urls[1] ?? '', member, endpoint);
  }
}

/** Calls every install through both gateways until told to stop; answers what each call ended with. */
function load(endpoint = ECHO): { enough: (calls: number) => Promise<void>; stop: () => Promise<Ended[]> } {
  const ended: Ended[] = [];
  let going = true;
  const urls = company.gateways.map(({ url }) => url);
  const callers = company.members.flatMap((member) =>
    [urls, urls.toReversed()].flatMap((order) =>
      Array.from({ length: CALLERS_EACH }, async () => {
        while (going) ended.push(await callAny(order, member, endpoint));
      }),
    ),
  );
  return {
    enough: (calls) => {
      const until = ended.length + calls;
      return eventually(() => expect(ended.length).toBeGreaterThan(until));
    },
    async stop() {
      going = false;
      await Promise.all(callers);
      return ended;
    },
  };
}

const failures = (ended: Ended[]): Ended[] => ended.filter(({ status }) => status !== 200);

/** What gateways know of a runner, by their own word. */
async function untilSaid(url: string, state: RegExp): Promise<void> {
  await eventually(() => {
    for (const gateway of company.gateways) {
      const said = gateway
        .output()
        .split('\n')
        .filter((line) => line.includes(`"runner":"${url}"`) && line.includes('"runner is '));
      expect(said.at(-1) ?? '').toMatch(state);
    }
  });
}

const aRunner = (): string => company.members[0]?.runner ?? '';

async function startAgain(url: string): Promise<void> {
  await untilSaid(url, /runner is (away|unwilling)/); // else what they said of the one before would count
  await company.startRunner(url);
  await untilSaid(url, /runner is ready/);
}

describe('two gateways and two runners', () => {
  it('serve two tenants with two installs each', async () => {
    const calls = load();
    await calls.enough(200);
    expect(failures(await calls.stop())).toEqual([]);
    const rows: unknown[] = await company.database
      .db('extension_execution_log')
      .distinct('status')
      .whereNot({ status: 'running' });
    expect(rows).toEqual([{ status: 'succeeded' }]);
  });

  it('fail no call when a runner is told to stop, nor when it comes back', async () => {
    const calls = load();
    await calls.enough(50);
    for (const url of company.runners.keys()) {
      const runner = company.runners.get(url);
      runner?.signal('SIGTERM');
      await runner?.ended;
      await calls.enough(50);
      await startAgain(url);
      await calls.enough(50);
    }
    expect(failures(await calls.stop())).toEqual([]);
  });

  it('lose no more than what a runner had begun when it is killed, and say so', async () => {
    const url = aRunner();
    const before = await interrupted();
    const calls = load();
    await calls.enough(50);
    company.runners.get(url)?.signal('SIGKILL');
    await calls.enough(100);
    const failed = failures(await calls.stop());
    for (const one of failed) expect(one).toEqual({ status: 504, code: 'OUTCOME_UNKNOWN' });
    // Each caller of the members that live there had one.
    const there = company.members.filter(({ runner }) => runner === url).length;
    expect(failed.length).toBeLessThanOrEqual(there * CALLERS_EACH * 2);
    await eventually(async () => expect(await interrupted()).toBe(before + failed.length));
    await startAgain(url);
  });

  it('fail no call of an endpoint that may be repeated when a runner is killed', async () => {
    const url = aRunner();
    const calls = load(HEALTH);
    await calls.enough(50);
    company.runners.get(url)?.signal('SIGKILL');
    await calls.enough(100);
    expect(failures(await calls.stop())).toEqual([]);
    await startAgain(url);
  });

  it('send nothing new to a runner that stands still', async () => {
    const url = aRunner();
    const runner = company.runners.get(url);
    runner?.signal('SIGSTOP');
    await untilSaid(url, /runner is away/);
    const calls = load();
    await calls.enough(100);
    expect(failures(await calls.stop())).toEqual([]);
    runner?.signal('SIGCONT');
    await untilSaid(url, /runner is ready/);
  });

  it('fail no call when a gateway is told to stop', async () => {
    const before = await executions();
    const calls = load();
    await calls.enough(50);
    const [, second] = company.gateways;
    second.signal('SIGTERM');
    expect(await second.exited).toBe(0);
    await calls.enough(50);
    company.gateways[1] = await company.startGateway(second.url);
    await calls.enough(50);
    const ended = await calls.stop();
    expect(failures(ended)).toEqual([]);
    // None of those that were sent again had been read.
    expect((await executions()) - before).toBe(ended.length);
  });
});

async function executions(): Promise<number> {
  return (await company.database.db('extension_execution_log').select('execution_id')).length;
}

async function interrupted(): Promise<number> {
  const rows: unknown[] = await company.database
    .db('extension_execution_log')
    .where({ status: 'interrupted' });
  return rows.length;
}
