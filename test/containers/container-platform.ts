import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { freePort } from '../../starter/ports.ts';
import { descendantsOf } from '../storm/process-table.ts';
import { eventually } from '../support/eventually.ts';
import { clientsOf, type RunningPlatform } from '../support/platform.ts';
import { createProject, type ContainerProject } from './project.ts';

/** By the names that `npm start` gives them. */
const PROCESSES = ['gateway', 'runner', 'lifecycle-worker', 'precompile-worker', 'postgres', 'temporal'];

/** The platform by `docker compose up`, one of each, for the storm. Needs root on the machine that Docker runs on: it looks into volumes. */
export async function startContainers(): Promise<RunningPlatform> {
  const [postgres, temporal, runner] = await Promise.all([freePort(), freePort(), freePort()]);
  const project = await createProject(['test/containers/reachable.yml'], {
    CHECKER_POSTGRES_PORT: String(postgres),
    CHECKER_TEMPORAL_PORT: String(temporal),
    CHECKER_RUNNER_PORT: String(runner),
  });
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'alga-containers-'));
  const close = async (): Promise<void> => {
    await project.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    await project.compose('up', '--detach', '--no-build');
    await exampleInstalled(project);
    const secrets = await mountpointOf(project, 'secrets');
    symlinkSync(path.join(secrets, 'secrets.json'), path.join(dataDir, 'secrets.json'));
    symlinkSync(path.join(await mountpointOf(project, 'objects'), 'platform'), path.join(dataDir, 'objects'));
    const setup = await mountpointOf(project, 'secrets-setup');
    const secret = (name: string): string => readFileSync(path.join(setup, name), 'utf8').trim();
    const databaseUrl = new URL(secret('DATABASE_URL'));
    databaseUrl.host = `127.0.0.1:${postgres}`;
    const keys = z.object({ operator: z.string(), admin: z.string(), user: z.string() });
    return {
      local: {
        gateway: project.gateway,
        runner: `http://127.0.0.1:${runner}`,
        temporal: { address: `127.0.0.1:${temporal}`, namespace: 'default' },
        databaseUrl: databaseUrl.href,
        tenantId: secret('TENANT_ID'),
        keys: keys.parse(JSON.parse(secret('API_KEYS'))),
      },
      dataDir,
      ...clientsOf(project.gateway),
      processes: await processesOf(project),
      close,
      leave: () => Promise.resolve(`docker ps --filter label=com.docker.compose.project=${project.name}`),
    };
  } catch (err) {
    await close();
    throw err;
  }
}

export function exampleInstalled(project: ContainerProject): Promise<void> {
  return eventually(async () => {
    const [example] = await project.containers('example');
    if (example?.State.Status !== 'exited' || example.State.ExitCode !== 0) {
      throw new Error('the example is not installed yet');
    }
  });
}

async function mountpointOf(project: ContainerProject, volume: string): Promise<string> {
  const name = `${project.name}_${volume}`;
  return (await project.docker('volume', 'inspect', '--format', '{{.Mountpoint}}', name)).trim();
}

/** What each container was made to run, which is the child of an init of Docker's or ours. */
async function processesOf(project: ContainerProject): Promise<() => Record<string, number>> {
  const containers = await Promise.all(
    PROCESSES.map(async (service) => (await project.containers(service))[0]?.Id ?? ''),
  );
  return () => {
    const said = execFileSync('docker', ['inspect', '--format', '{{.State.Pid}}', ...containers], {
      encoding: 'utf8',
    });
    const pids = said.trim().split('\n').map(Number);
    return Object.fromEntries(
      PROCESSES.flatMap((name, index) => {
        const [child] = pids[index] ? descendantsOf(pids[index]) : [];
        return child ? [[name, child.pid]] : [];
      }),
    );
  };
}
