import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { freePort } from '../../starter/ports.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

const inspected = z.array(
  z.object({
    Id: z.string(),
    Name: z.string(),
    Config: z.object({ User: z.string(), Env: z.array(z.string()) }),
    HostConfig: z.object({ ReadonlyRootfs: z.boolean(), CapAdd: z.array(z.string()).nullable() }),
    State: z.object({
      Status: z.string(),
      ExitCode: z.int(),
      Pid: z.int(),
      Health: z.object({ Status: z.string() }).optional(),
    }),
    NetworkSettings: z.object({ Networks: z.record(z.string(), z.object({ IPAddress: z.string() })) }),
  }),
);
export type Container = z.infer<typeof inspected>[number];

/** The platform in containers of its own, on free ports. */
export interface ContainerProject {
  readonly name: string;
  gateway: string;
  compose(...args: string[]): Promise<string>;
  docker(...args: string[]): Promise<string>;
  /** Runs `containers/NAME.sh`, the project's name as its last argument; answers what it printed. */
  script(name: string, ...args: string[]): Promise<string>;
  /** Of one service, or of all. */
  containers(service?: string): Promise<Container[]>;
  /** Of the first tenant. */
  key(name: 'operator' | 'admin' | 'user'): Promise<string>;
  /** Removes everything that it was. */
  close(): Promise<void>;
}

/** `files` are laid over the compose file, in order; `environment` beside what it reads. */
export async function createProject(
  files: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<ContainerProject> {
  const name = `alga-test-${process.pid}`;
  const ports = await Promise.all(Array.from({ length: 6 }, () => freePort()));
  const [gateway, ui, temporal, drill, drillUi, drillTemporal] = ports.map(String);
  const env = {
    ...process.env,
    GATEWAY_PORT: gateway,
    RUNNER_UI_PORT: ui,
    TEMPORAL_UI_PORT: temporal,
    DRILL_PORT: drill,
    DRILL_UI_PORT: drillUi,
    DRILL_TEMPORAL_UI_PORT: drillTemporal,
    ...environment,
  };
  const named = ['docker-compose.yml', ...files].flatMap((file) => ['--file', file]);
  const command = async (program: string, args: readonly string[]): Promise<string> =>
    (await run(program, args, { cwd: ROOT, env, maxBuffer: Infinity })).stdout;
  const isV2 = await command('docker', ['compose', 'version']).then(
    () => true,
    () => false,
  );
  const compose = (...args: string[]): Promise<string> =>
    isV2
      ? command('docker', ['compose', ...named, '-p', name, ...args])
      : command('docker-compose', [...named, '-p', name, ...args]);
  const docker = (...args: string[]): Promise<string> => command('docker', args);
  return {
    name,
    gateway: `http://127.0.0.1:${gateway ?? ''}`,
    compose,
    docker,
    script: (script, ...args) => command(path.join(ROOT, 'containers', `${script}.sh`), [...args, name]),
    async containers(service) {
      const labels = [`com.docker.compose.project=${name}`];
      if (service !== undefined) labels.push(`com.docker.compose.service=${service}`);
      const filters = labels.flatMap((label) => ['--filter', `label=${label}`]);
      const ids = (await docker('ps', '--all', '--quiet', ...filters)).split('\n').filter(Boolean);
      return ids.length === 0 ? [] : inspected.parse(JSON.parse(await docker('inspect', ...ids)));
    },
    key: async (which) => (await compose('run', '--rm', 'keys', which)).trim(),
    async close() {
      await compose('down', '--volumes', '--timeout', '5');
    },
  };
}
