import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { createOutput } from '../../starter/output.ts';
import { findTemporalCli } from '../../starter/services/temporal-cli.ts';
import { findVersityGw } from '../support/versitygw.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** A file for each, not a stage: Docker's builder of old makes every stage that stands before the one asked for. */
const DOCKERFILES = path.join(import.meta.dirname, 'stand-ins');
/** What most are built on, under the name that their files give it. */
const SERVERS = 'alga-stand-in/servers';
const SUITE = 'trixie';
const CLI = 'github.com/temporalio/cli';
const TEMPORAL_SERVER = 'go.temporal.io/server';
const TEMPORAL_UI = 'github.com/temporalio/ui-server/v2';
const run = promisify(execFile);
const ENV = { ...process.env, CGO_ENABLED: '0' };

/** Puts what a stand-in is made of into a folder: COPY in its file takes it. */
type Fill = (folder: string) => Promise<void>;

const STAND_INS: Readonly<Record<string, { file: string; fill?: Fill }>> = {
  node: { file: 'node', fill: fillNode },
  postgres: { file: 'postgres', fill: copyEntrypoint },
  redis: { file: 'servers' },
  nginx: { file: 'servers' },
  'temporalio/server': { file: 'temporal-server', fill: fillTemporalServer },
  'temporalio/admin-tools': { file: 'temporal-admin-tools', fill: fillAdminTools },
  'temporalio/ui': { file: 'temporal-ui', fill: fillTemporalUi },
  'versity/versitygw': { file: 'objects', fill: fillVersityGw },
};

/** Every image that is named and not made here, its tag with it. */
export function namedImages(): string[] {
  const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
  const servers = [...read('docker-compose.yml').matchAll(/^ +image: ([^$\s]+)$/gm)];
  const stages = [...read('Dockerfile').matchAll(/^FROM (\S+:\S+)/gm)];
  return [...new Set([...stages, ...servers].map(([, image]) => image ?? ''))].sort();
}

/** Has every image that is named on this machine: as it is there, as it can be pulled, or as a stand-in under its tag. */
export async function provideImages(log: (line: string) => void): Promise<void> {
  const missing: string[] = [];
  for (const image of namedImages()) {
    if (await isThere(image)) continue;
    try {
      await run('docker', ['pull', '--quiet', image]);
      log(`pulled ${image}`);
    } catch (cause) {
      log(`${image} cannot be pulled: ${String(cause)}`);
      missing.push(image);
    }
  }
  // The others are built on it.
  const base = missing.find((image) => image.startsWith('debian:'));
  if (base !== undefined) await importDebian(base, log);
  const others = missing.filter((image) => image !== base);
  if (others.length > 0) await buildStandIn(SERVERS, { file: 'servers' }, log);
  for (const image of others) await buildStandIn(image, standInFor(image), log);
}

function standInFor(image: string): { file: string; fill?: Fill } {
  const standIn = STAND_INS[image.slice(0, image.indexOf(':'))];
  if (!standIn) throw new Error(`there is no stand-in for ${image}: test/containers/stand-ins.ts`);
  return standIn;
}

async function isThere(image: string): Promise<boolean> {
  return run('docker', ['image', 'inspect', image]).then(
    () => true,
    () => false,
  );
}

/** Debian's base system, without what its slim image is without too. Kept in our cache, for it takes a minute or two. */
async function importDebian(image: string, log: (line: string) => void): Promise<void> {
  const archive = cached(`debian-${SUITE}.tar`);
  if (!existsSync(archive)) {
    const startedAt = performance.now();
    const folder = mkdtempSync(path.join(os.tmpdir(), 'alga-debian-'));
    try {
      const root = path.join(folder, 'root');
      await run('debootstrap', ['--variant=minbase', '--include=ca-certificates', SUITE, root], {
        maxBuffer: Infinity,
      });
      const left = [
        './dev/*',
        './var/cache/apt/*',
        './var/lib/apt/lists/*',
        './usr/share/{doc,man,locale}/*',
      ];
      const exclude = left.flatMap((pattern) => expand(pattern).map((one) => `--exclude=${one}`));
      await run('tar', ['-C', root, ...exclude, '-cf', path.join(folder, 'base.tar'), '.']);
      copyFileSync(path.join(folder, 'base.tar'), `${archive}.new`);
      renameSync(`${archive}.new`, archive);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    log(`Debian's base system in ${seconds(startedAt)}`);
  }
  await run('docker', ['import', '--change', 'CMD ["bash"]', archive, image]);
}

function expand(pattern: string): string[] {
  const [, before = '', names, after = ''] = /^(.*)\{(.*)\}(.*)$/.exec(pattern) ?? [];
  return names === undefined ? [pattern] : names.split(',').map((name) => before + name + after);
}

async function buildStandIn(
  image: string,
  { file, fill }: { file: string; fill?: Fill },
  log: (line: string) => void,
): Promise<void> {
  const startedAt = performance.now();
  const context = mkdtempSync(path.join(os.tmpdir(), 'alga-stand-in-'));
  try {
    await fill?.(context);
    const options = ['--quiet', '--file', path.join(DOCKERFILES, `${file}.Dockerfile`), '--tag', image];
    await run('docker', ['build', ...options, context], { maxBuffer: Infinity });
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
  log(`a stand-in for ${image} in ${seconds(startedAt)}`);
}

function copyEntrypoint(folder: string): Promise<void> {
  const name = 'postgres-entrypoint.sh';
  copyFileSync(path.join(DOCKERFILES, name), path.join(folder, name));
  return Promise.resolve();
}

/** Node as npm has it, with npm. */
async function fillNode(folder: string): Promise<void> {
  copyFileSync(path.join(ROOT, 'node_modules/node/bin/node'), path.join(folder, 'node'));
  // What this machine trusts, in case its mirrors are reached through something of its own.
  copyFileSync('/etc/ssl/certs/ca-certificates.crt', path.join(folder, 'certificates.crt'));
  await run('npm', ['install', '--prefix', path.join(folder, 'got'), '--no-audit', '--no-fund', 'npm@11']);
  renameSync(path.join(folder, 'got/node_modules/npm'), path.join(folder, 'npm'));
}

async function fillTemporalServer(folder: string): Promise<void> {
  copyFileSync(
    await temporalProgram('temporal-server', `${TEMPORAL_SERVER}/cmd/server`),
    path.join(folder, 'temporal-server'),
  );
}

async function fillAdminTools(folder: string): Promise<void> {
  const { log, during } = createOutput(process.stdout, 'text');
  const program = await temporalProgram('temporal-sql-tool', `${TEMPORAL_SERVER}/cmd/tools/sql`);
  copyFileSync(program, path.join(folder, 'temporal-sql-tool'));
  copyFileSync(
    await findTemporalCli({ environment: process.env, log, during }),
    path.join(folder, 'temporal'),
  );
  await copyOfModule(TEMPORAL_SERVER, 'schema/postgresql', path.join(folder, 'schema/postgresql'));
}

async function fillTemporalUi(folder: string): Promise<void> {
  copyFileSync(
    await temporalProgram('ui-server', `${TEMPORAL_UI}/cmd/server`),
    path.join(folder, 'ui-server'),
  );
  await copyOfModule(TEMPORAL_UI, 'config/docker.yaml', path.join(folder, 'ui-docker.yaml'));
}

async function fillVersityGw(folder: string): Promise<void> {
  const program = await findVersityGw(process.env);
  if (program === undefined)
    throw new Error('VersityGW is not there, and Go, which could compile it, is not either');
  copyFileSync(program, path.join(folder, 'versitygw'));
}

/** A program of the release that the Temporal CLI of `npm start` contains, compiled with its very dependencies: most of the work was done for that one. */
async function temporalProgram(name: string, from: string): Promise<string> {
  const program = cached(
    `${name}-${imageTag(from.startsWith(TEMPORAL_UI) ? 'temporalio/ui' : 'temporalio/server')}`,
  );
  if (existsSync(program)) return program;
  const folder = await temporalModule();
  await run('go', ['build', '-o', `${program}.new`, from], { cwd: folder, env: ENV, maxBuffer: Infinity });
  renameSync(`${program}.new`, program);
  return program;
}

async function copyOfModule(module: string, what: string, target: string): Promise<void> {
  const { stdout } = await run('go', ['list', '-m', '-f', '{{.Dir}}', module], {
    cwd: await temporalModule(),
    env: ENV,
  });
  await run('cp', ['-r', '--no-preserve=mode', path.join(stdout.trim(), what), mkdirOf(target)]);
}

function mkdirOf(target: string): string {
  mkdirSync(path.dirname(target), { recursive: true });
  return target;
}

let prepared: Promise<string> | undefined;
function temporalModule(): Promise<string> {
  prepared ??= (async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'alga-temporal-module-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    const versions = [
      `${CLI}@v1.5.1`,
      `${TEMPORAL_SERVER}/cmd/server@v${imageTag('temporalio/server')}`,
      `${TEMPORAL_SERVER}/cmd/tools/sql@v${imageTag('temporalio/server')}`,
      `${TEMPORAL_UI}/cmd/server@v${imageTag('temporalio/ui')}`,
    ];
    await run('go', ['mod', 'init', 'stand-ins'], { cwd: folder, env: ENV });
    await run('go', ['get', ...versions], { cwd: folder, env: ENV, maxBuffer: Infinity });
    return folder;
  })();
  return prepared;
}

/** The version that docker-compose.yml names. */
function imageTag(name: string): string {
  return (
    namedImages()
      .find((image) => image.startsWith(`${name}:`))
      ?.split(':')[1] ?? ''
  );
}

function cached(name: string): string {
  const folder = path.join(
    process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache'),
    'alga-platform',
    'stand-ins',
  );
  mkdirSync(folder, { recursive: true });
  return path.join(folder, name);
}

function seconds(startedAt: number): string {
  return `${Math.round((performance.now() - startedAt) / 1000)} s`;
}

// Not awaited: Jest's set-up requires this file.
if (import.meta.main) void provideImages(console.log);
