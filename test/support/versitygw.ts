import type { Environment } from '../../platform/config/environment.ts';
import { createOutput } from '../../starter/output.ts';
import {
  compileWithGo,
  findProgram,
  isOnPath,
  obtainProgram,
  type Program,
} from '../../starter/services/find-program.ts';

const VERSION = 'v1.8.0';
const COMPILE_WITHIN_MS = 15 * 60_000;

const VERSITYGW: Program = {
  name: 'versitygw',
  title: 'VersityGW',
  variable: 'VERSITYGW',
  cachedIn: `versitygw-${VERSION}`,
};

/** An S3 server to test against, compiled once if need be. Undefined where there is neither one nor Go. */
export async function findVersityGw(environment: Environment): Promise<string | undefined> {
  const { log, during } = createOutput(process.stdout, 'text');
  const options = { environment, log, during };
  const found = await findProgram(VERSITYGW, options);
  if (found !== undefined || !isOnPath('go', environment)) return found;
  const compile = {
    what: `compiling VersityGW ${VERSION} with Go (once; a few minutes)`,
    into: (folder: string, given: { env: Record<string, string> }): Promise<void> =>
      compileWithGo(`github.com/versity/versitygw/cmd/versitygw@${VERSION}`, folder, {
        ...given,
        withinMs: COMPILE_WITHIN_MS,
      }),
  };
  return obtainProgram(VERSITYGW, [compile], options);
}
