import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { generateSecretsKeyPair } from '../../platform/secrets/sealing-suite.ts';
import { COMPILE_CACHE } from '../../scripts/compile-cache.ts';
import { freePort } from '../../starter/ports.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

export interface GatewayProcess {
  url: string;
  /** Its exit code, or the signal that ended it, once it has ended. */
  exited: Promise<number | NodeJS.Signals>;
  signal(name: NodeJS.Signals): void;
  /** What it logged so far. */
  output(): string;
}

/** A real gateway: `api/main.ts` in a process of its own. `env` completes what every gateway needs. */
export async function startGatewayProcess(env: Readonly<Record<string, string>>): Promise<GatewayProcess> {
  const port = await freePort();
  const { privateKey } = generateKeyPairSync('ed25519');
  const child = spawn(process.execPath, [path.join(ROOT, 'api', 'main.ts')], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      GATEWAY_PORT: String(port),
      GATEWAY_INTERNAL_PORT: '0',
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      PAYLOAD_CODEC_KEY: Buffer.alloc(32, 1).toString('base64'),
      RUNNER_BASE_URL: 'http://127.0.0.1:9',
      RUNNER_PUBLIC_BASE: 'http://ui.test',
      RUNNER_SERVICE_TOKEN: 'service',
      RUNNER_GATEWAY_TOKEN: 'runner',
      WORKER_GATEWAY_TOKEN: 'worker',
      EXECUTION_TOKEN_PRIVATE_KEY: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
      SECRETS_PUBLIC_KEY: generateSecretsKeyPair().publicKey,
      ...env,
    },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return {
    url: `http://127.0.0.1:${port}`,
    // `close` comes after everything it wrote was read.
    exited: once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals),
    signal: (name) => void child.kill(name),
    output: () => output,
  };
}
