import { accessSync, constants, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runCommand } from '../starter/services/run-command.ts';
import type { Environment } from '../platform/config/environment.ts';

const MODULE = 'github.com/versity/versitygw/cmd/versitygw';
const VERSION = 'v1.8.0';
const COMPILE_WITHIN_MS = 15 * 60_000;

/**
 * The VersityGW binary that the tests of the S3 object store run against: VERSITYGW, PATH, our cache, or compiled once into the
 * cache with Go. Undefined if Go is absent; throws if a given or compiled binary does not work.
 */
export async function obtainVersityGw(
  environment: Environment,
  log: (line: string) => void,
): Promise<string | undefined> {
  const given = environment['VERSITYGW'];
  if (given !== undefined && given !== '') {
    if (!isExecutable(given)) throw new Error(`VERSITYGW=${given}: there is no such program`);
    return given;
  }
  const cached = cachedBinary(environment);
  const found = [...onPath(environment, 'versitygw'), cached].find(isExecutable);
  if (found !== undefined) return found;
  const [go] = onPath(environment, 'go').filter(isExecutable);
  return go === undefined ? undefined : compile(go, cached, environment, log);
}

async function compile(
  go: string,
  target: string,
  environment: Environment,
  log: (line: string) => void,
): Promise<string> {
  const parent = path.dirname(path.dirname(target));
  mkdirSync(parent, { recursive: true });
  // Its own folder, then renamed: several runs may do this at once.
  const folder = mkdtempSync(path.join(parent, '.obtaining-'));
  const env = Object.fromEntries(
    Object.entries(environment).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  log(`compiling VersityGW ${VERSION} with Go, once; this takes a few minutes`);
  try {
    await runCommand(go, ['install', `${MODULE}@${VERSION}`], {
      env: { ...env, GOBIN: folder },
      withinMs: COMPILE_WITHIN_MS,
    });
    mkdirSync(path.dirname(target), { recursive: true });
    renameSync(path.join(folder, 'versitygw'), target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  log(`VersityGW is kept in ${target}`);
  return target;
}

function cachedBinary(environment: Environment): string {
  const home = environment['HOME'] ?? os.homedir();
  const cache = environment['XDG_CACHE_HOME'] ?? path.join(home, '.cache');
  return path.join(cache, 'alga-platform', `versitygw-${VERSION}`, 'versitygw');
}

function onPath(environment: Environment, program: string): string[] {
  const folders = (environment['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => path.join(folder, program));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not for us
  }
}

if (import.meta.main) {
  const binary = await obtainVersityGw(process.env, (line) => console.log(line));
  console.log(binary ?? 'there is no VersityGW, and no Go to compile it with');
  if (binary === undefined) process.exitCode = 1;
}
