import { join } from 'node:path';
import { startBareNode, startScript, type BareNode } from '../runner/bare-node.ts';

/** Express that answers bytes of its own, and Express that asks a bare server of Node's for them: the least that any second hop costs. */
export interface Yardsticks {
  express: BareNode;
  twoHops: BareNode & { behind: number };
  stop: () => void;
}

export async function startYardsticks(type: string, body: Buffer): Promise<Yardsticks> {
  const express = await startExpress(type, body);
  const behind = await startBareNode(type, body);
  const front = await startExpress(type, body, `http://127.0.0.1:${behind.port}`);
  return {
    express,
    twoHops: { ...front, behind: behind.pid },
    stop: () => {
      for (const one of [express, front, behind]) one.stop();
    },
  };
}

function startExpress(type: string, body: Buffer, ...behind: [origin?: string]): Promise<BareNode> {
  const script = join(import.meta.dirname, 'bare-express.ts');
  return startScript(script, [type, body.toString('base64'), ...behind.filter((one) => one !== undefined)]);
}
