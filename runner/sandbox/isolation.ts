import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { PlatformError } from '../../core/errors.ts';
import { startSandboxProcess, type Isolation, type SandboxProgram } from './process.ts';

const MACHINES: ReadonlySet<string> = new Set(['x64', 'arm64']);
/** A start takes a tenth of a second; on a machine that just starts, perhaps ten. */
const TRY_MS = 20_000;
const MAX_REASON = 500;

/** The isolation that sandboxes get, and why it is not the strongest. */
export interface ChosenIsolation {
  isolation: Isolation;
  without?: string;
}

/** Tries the strongest isolation once. Throws CONFIG_INVALID where it is demanded and does not work here. */
export async function chooseIsolation(
  wanted: 'auto' | Isolation,
  { program = () => undefined, bwrap }: { program?: () => SandboxProgram | undefined; bwrap?: string } = {},
): Promise<ChosenIsolation> {
  if (wanted === 'process') return { isolation: 'process', without: 'SANDBOX_ISOLATION=process' };
  const tried = program();
  let fault = await faultOfBubblewrap(tried, bwrap);
  // That the program was removed meanwhile says nothing of bubblewrap.
  if (fault !== undefined && program() !== tried) fault = await faultOfBubblewrap(program(), bwrap);
  if (fault === undefined) return { isolation: 'bubblewrap' };
  if (wanted === 'auto') return { isolation: 'process', without: fault };
  throw new PlatformError(
    'CONFIG_INVALID',
    `SANDBOX_ISOLATION=bubblewrap, and no sandbox starts under it: ${fault}. Install bubblewrap and allow user namespaces, or set ` +
      'SANDBOX_ISOLATION=auto and read docs/security.md for what then stands between tenants',
  );
}

/** What keeps a sandbox from starting with everything that it would have. */
async function faultOfBubblewrap(program?: SandboxProgram, bwrap?: string): Promise<string | undefined> {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`;
  if (!MACHINES.has(process.arch)) return `there is no filter of system calls for ${process.arch}`;
  const tried = startSandboxProcess('bubblewrap', program, bwrap);
  const { child, channel } = tried;
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  channel.on('error', () => undefined); // its end is heard
  const patience = new AbortController();
  const outcomes = [
    once(channel, 'data').then(() => (tried.pid === undefined ? 'it does not say its pid' : undefined)),
    once(child, 'close').then(
      ([code]) => said.trim().slice(0, MAX_REASON) || `it ended with ${code}`,
      String,
    ),
    setTimeout(TRY_MS, `it was not ready after ${TRY_MS / 1000} s`, patience).catch(() => undefined),
  ];
  try {
    return await Promise.race(outcomes);
  } finally {
    patience.abort();
    tried.kill();
  }
}
