import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { ARTIFACT_TARGET } from '../core/artifact-target.ts';
import {
  parseEnvironment,
  publicKey,
  SECRET_VARIABLES,
  withSecretFiles,
} from '../platform/config/environment.ts';
import { temporal as temporalEnv, temporalConfig } from '../platform/config/temporal.ts';
import { keyIdOf } from '../platform/signatures/dsse.ts';
import { connectTemporal } from '../platform/temporal/client.ts';
import { startRecompile } from '../platform/temporal/start-recompile.ts';
import { readPublicKey } from '../platform/tokens/ed25519.ts';
import { recompileProgressQuery, type RecompileProgress } from '../workflows/messages.ts';

// Brings every live bundle to this release's target and to ARTIFACT_SIGNING_PUBLIC_KEY, or joins the run that does so, and shows how
// far it is. Ctrl-C leaves the run to itself. Exits with 1 if some bundles could not be made.

const EVERY_MS = 2_000;

const { values } = parseArgs({ options: { 'at-once': { type: 'string' } } });
const atOnce = z.coerce.number().int().min(1).max(100).optional().parse(values['at-once']);
const env = withSecretFiles(process.env, SECRET_VARIABLES);
const v = parseEnvironment(z.object({ ...temporalEnv.shape, ARTIFACT_SIGNING_PUBLIC_KEY: publicKey }), env);

const temporal = connectTemporal(temporalConfig(v));
try {
  const goal = { target: ARTIFACT_TARGET, keyId: keyIdOf(readPublicKey(v.ARTIFACT_SIGNING_PUBLIC_KEY)) };
  const workflowId = await startRecompile(temporal.client, {
    ...goal,
    ...(atOnce !== undefined && { atOnce }),
  });
  console.log(workflowId);
  const handle = temporal.client.workflow.getHandle(workflowId);
  const end = handle.result() as Promise<RecompileProgress>;
  const ended = end.then(
    () => true,
    () => true,
  );
  let shown = '';
  do {
    const { pass, left, done, failed } = await handle.query(recompileProgressQuery);
    const line = `pass ${pass}: ${left} left, ${done} made, ${failed} failed`;
    if (line !== shown) console.log(line);
    shown = line;
  } while (!(await Promise.race([ended, pause(EVERY_MS, false)])));
  const { left, done, failures } = await end;
  for (const { contentHash, code, message } of failures) console.log(`${contentHash}: ${code}: ${message}`);
  console.log(left === 0 ? `nothing is left to make; ${done} were made` : `${left} could not be made`);
  process.exitCode = left === 0 ? 0 : 1;
} finally {
  await temporal.close();
}
