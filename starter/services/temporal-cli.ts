import { readdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import {
  compileWithGo,
  findProgram,
  obtainProgram,
  type Obtain,
  type Program,
  type ProgramOptions,
} from './find-program.ts';
import { runCommand } from './run-command.ts';

const VERSION = '1.5.1';
/** What the go.mod of that version asks for. */
export const GO = '1.25';
/** Oldest server that does what the platform relies on (update-with-start without a switch). */
const OLDEST_SERVER: readonly [number, number] = [1, 28];
const DOWNLOAD_WITHIN_MS = 60_000;
const COMPILE_WITHIN_MS = 20 * 60_000;

export const TEMPORAL_CLI: Program = {
  name: 'temporal',
  title: 'the Temporal CLI',
  variable: 'TEMPORAL_CLI',
  cachedIn: `temporal-cli-${VERSION}`,
  unfit(output) {
    const [, major, minor] = /Server (\d+)\.(\d+)/.exec(output) ?? [];
    if (major === undefined || minor === undefined) return 'it does not say which server it holds';
    const [oldestMajor, oldestMinor] = OLDEST_SERVER;
    const recent =
      Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor);
    return recent
      ? undefined
      : `its server is ${major}.${minor}; ${OLDEST_SERVER.join('.')} or newer is needed`;
  },
};

/** Finds the Temporal CLI, or obtains it once. Throws, with the ways out, when there is none to be had. */
export async function findTemporalCli(
  options: ProgramOptions,
  ways: readonly Obtain[] = [DOWNLOAD, COMPILE],
): Promise<string> {
  const found = await findProgram(TEMPORAL_CLI, options);
  if (found !== undefined) return found;
  return obtainProgram(TEMPORAL_CLI, ways, options).catch((cause: unknown) => {
    options.signal?.throwIfAborted();
    throw new Error(
      [
        cause instanceof Error ? cause.message : String(cause),
        'Any one of these helps:',
        '  - set TEMPORAL_ADDRESS to a Temporal server that runs already;',
        '  - install the Temporal CLI so that `temporal` is on PATH, or set TEMPORAL_CLI to it;',
        `  - install Go ${GO} or newer and start again: the CLI is then compiled once.`,
      ].join('\n'),
      { cause },
    );
  });
}

export const DOWNLOAD: Obtain = {
  what: `downloading the Temporal CLI with the Temporal SDK (at most ${DOWNLOAD_WITHIN_MS / 1000} s)`,
  async into(folder, { env, signal }) {
    // A process of its own, because the SDK's download cannot be cancelled.
    const script = path.join(import.meta.dirname, 'download-temporal-cli.ts');
    await runCommand(process.execPath, [script, folder, `v${VERSION}`], {
      env,
      withinMs: DOWNLOAD_WITHIN_MS,
      ...(signal && { signal }),
    });
    const downloaded = readdirSync(folder).find((name) => name.startsWith('temporal'));
    if (downloaded === undefined) throw new Error('the download left no file');
    renameSync(path.join(folder, downloaded), path.join(folder, TEMPORAL_CLI.name));
  },
};

const COMPILE: Obtain = {
  what: 'compiling the Temporal CLI with Go (once; 3 to 5 minutes)',
  into: (folder, options) =>
    compileWithGo(`github.com/temporalio/cli/cmd/temporal@v${VERSION}`, folder, {
      ...options,
      withinMs: COMPILE_WITHIN_MS,
    }),
};
