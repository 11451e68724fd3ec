import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const SCRIPT = join(import.meta.dirname, 'bare-server.ts');

export interface BareNode {
  pid: number;
  port: number;
  stop: () => void;
}

/** The server that runners are compared with, in a process of its own. */
export async function startBareNode(type: string, body: Buffer): Promise<BareNode> {
  return startScript(SCRIPT, [type, body.toString('base64')]);
}

/** A server of a script that prints its port, as production runs it; it ends with this process. */
export async function startScript(script: string, args: readonly string[]): Promise<BareNode> {
  const child = spawn(process.execPath, [script, ...args], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stop = (): void => void child.kill();
  process.once('exit', stop);
  child.once('exit', () => process.off('exit', stop));
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  return { pid: child.pid ?? Number.NaN, port: Number(port.toString()), stop };
}
