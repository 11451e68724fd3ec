import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { z } from 'zod';
import { eventually } from '../support/eventually.ts';
import { send, type Answer } from '../support/platform.ts';
import { exampleInstalled } from './container-platform.ts';
import { describeWithDocker } from './describe-with-docker.ts';
import { createProject, type Container, type ContainerProject } from './project.ts';

const GATEWAY_MB = 350;
const JOBS = ['secrets', 'temporal-schema', 'migrate', 'example'];
const greeting = z.object({ count: z.int() });

describeWithDocker('the platform in containers', () => {
  let project: ContainerProject;
  let key: string;

  beforeAll(async () => {
    project = await createProject();
    await project.compose('up', '--detach', '--no-build');
    await exampleInstalled(project);
    key = await project.key('user');
  }, 900_000);
  afterAll(() => project.close(), 120_000);

  const hello = (): Promise<Answer> =>
    send(`${project.gateway}/api/ext/alga.hello/hello/world`, 'GET', { key });
  const count = async (): Promise<number> => {
    const answer = await hello();
    expect(answer.status).toBe(200);
    return greeting.parse(answer.json).count;
  };
  const healthy = (service: string, number: number): Promise<void> =>
    eventually(async () => {
      const states = (await project.containers(service)).map(({ State }) => State.Health?.Status);
      expect(states.filter((state) => state === 'healthy')).toHaveLength(number);
    });

  /** Four callers, until they are told to stop. */
  function underLoad(): { answers: Answer[]; stop(): Promise<Answer[]> } {
    const answers: Answer[] = [];
    let isOver = false;
    const callers = Array.from({ length: 4 }, async () => {
      while (!isOver) answers.push(await hello());
    });
    return {
      answers,
      async stop() {
        isOver = true;
        await Promise.all(callers);
        return answers;
      },
    };
  }

  it('answers calls of the example that was published and installed, and keeps what it stores', async () => {
    const first = await count();
    expect(await count()).toBe(first + 1);
  });

  it('lets nobody in from outside who is not a client', async () => {
    expect((await send(`${project.gateway}/api/internal/installs`, 'GET', { key })).status).toBe(404);
  });

  it('keeps the runner away from PostgreSQL and Temporal, by name and by address', async () => {
    const [runner] = await project.containers('runner');
    const opens = (host: string, port: number): Promise<boolean> =>
      project
        .docker('exec', runner?.Id ?? '', 'timeout', '3', 'bash', '-c', `exec 3<>/dev/tcp/${host}/${port}`)
        .then(
          () => true,
          () => false,
        );
    expect(await opens('objects', 7070)).toBe(true); // so the question itself works
    const addresses = async (service: string): Promise<string[]> =>
      (await project.containers(service)).flatMap(({ NetworkSettings }) =>
        Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress),
      );
    for (const host of ['postgres', ...(await addresses('postgres'))])
      expect(await opens(host, 5432)).toBe(false);
    for (const host of ['temporal', ...(await addresses('temporal'))])
      expect(await opens(host, 7233)).toBe(false);
  });

  it('runs nothing as root, nothing with a capability, and nothing that can write to its image', async () => {
    const all = await project.containers();
    expect(all.length).toBeGreaterThanOrEqual(14);
    const wrong = ({ Config, HostConfig }: Container): boolean =>
      /^(?:|0|root)(?::|$)/.test(Config.User) ||
      !HostConfig.ReadonlyRootfs ||
      (HostConfig.CapAdd ?? []).length > 0;
    expect(all.filter(wrong).map(({ Name }) => Name)).toEqual([]);
  });

  it('has no secret in an environment', async () => {
    const all = await project.containers();
    const values = all.flatMap(({ Config }) => Config.Env);
    expect(
      values.filter((one) => /(?:PASSWORD|SECRET_KEY|PRIVATE_KEY|TOKEN|DATABASE_URL)=/.test(one)),
    ).toEqual([]);
  });

  it('walls sandboxes off in the runner', async () => {
    const [runner] = await project.containers('runner');
    expect(await project.docker('logs', runner?.Id ?? '')).toContain('"namespaces":"bubblewrap:');
  });

  it(`has an image of the gateway of at most ${GATEWAY_MB} MB`, async () => {
    const size = Number(
      await project.docker('image', 'inspect', '--format', '{{.Size}}', 'alga/gateway:latest'),
    );
    expect(size / 1e6).toBeLessThanOrEqual(GATEWAY_MB);
  });

  it('fails no call while an upgrade replaces all roles', async () => {
    const replaced = ['runner', 'gateway', 'lifecycle-worker', 'precompile-worker'];
    const ids = async (): Promise<string[]> =>
      (await Promise.all(replaced.map((role) => project.containers(role)))).flat().map(({ Id }) => Id);
    const before = await ids();
    const load = underLoad();
    await project.script('upgrade');
    const answers = await load.stop();
    const after = await ids();
    expect(after).toHaveLength(before.length);
    expect(after.filter((id) => before.includes(id))).toEqual([]);
    expect(answers.length).toBeGreaterThan(20);
    expect(answers.filter(({ status }) => status !== 200).map(({ json }) => json)).toEqual([]);
  });

  it('goes on with two of each when a gateway, a runner and a worker are killed under load, and loses nothing', async () => {
    await project.compose('up', '--detach', '--no-build', '--no-deps', '--no-recreate', '--scale', 'gateway=2', '--scale', 'runner=2', 'gateway', 'runner'); // prettier-ignore
    await Promise.all([healthy('gateway', 2), healthy('runner', 2)]);
    const load = underLoad();
    const { answers } = load;
    for (const service of ['gateway', 'runner', 'lifecycle-worker']) {
      const before = answers.filter(({ status }) => status === 200).length;
      await eventually(() => expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(before + 20)); // prettier-ignore
      const [victim] = await project.containers(service);
      await project.docker('kill', victim?.Id ?? '');
      const after = answers.filter(({ status }) => status === 200).length;
      await eventually(() => expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(after + 20)); // prettier-ignore
    }
    await load.stop();
    const counts = answers
      .filter(({ status }) => status === 200)
      .map(({ json }) => greeting.parse(json).count);
    // No count was given twice, so none was lost; what was under way at a kill is told to be unknown.
    expect(new Set(counts).size).toBe(counts.length);
    const others = answers
      .filter(({ status }) => status !== 200)
      .map(({ json }) => (json as { code: string }).code);
    expect(others.filter((code) => !['OUTCOME_UNKNOWN', 'GUEST_FAILED'].includes(code))).toEqual([]);
    expect(others.length).toBeLessThanOrEqual(12);
  });

  it('can be restored beside itself from a backup, and counts on there', async () => {
    const before = await count();
    const said = await project.script('drill');
    const [, kept, restored] = /the count was (\d+) .* is (\d+) in/.exec(said) ?? [];
    expect(Number(restored)).toBe(Number(kept) + 1);
    await eventually(async () => expect(await count()).toBe(before + 1)); // what was backed up serves again
  });

  it('finds its data again after down and up', async () => {
    const before = await count();
    await project.compose('down', '--timeout', '60');
    expect(await project.containers()).toEqual([]);
    await project.compose('up', '--detach', '--no-build');
    await healthy('nginx', 1);
    await eventually(async () => expect(await count()).toBeGreaterThan(before));
    for (const job of JOBS.slice(0, 3)) {
      expect((await project.containers(job)).map(({ State }) => State.ExitCode)).toEqual([0]);
    }
  });
});
