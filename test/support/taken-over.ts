import { createHash } from 'node:crypto';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { FRAME } from '../../runner/sandbox/frame.ts';

/** How long a flood lasts. */
const FLOOD_MS = 3_000;

/** What scripts of a sandbox that was taken over begin with: they write to the supervisor beside the sandbox's own code. */
const PRELUDE = `
  import { writeSync } from 'node:fs';
  const FRAME = ${JSON.stringify(FRAME)};
  const EXECUTION = 2; // after the load, which is 1
  const CHANNEL = 3;
  const STDOUT = 1;
  const start = (type, id, headBytes, length) => {
    const bytes = Buffer.alloc(13);
    bytes.writeUInt32BE(length, 0);
    bytes.writeUInt8(type, 4);
    bytes.writeUInt32BE(id, 5);
    bytes.writeUInt32BE(headBytes, 9);
    return bytes;
  };
  const frame = (type, id, head) => {
    const json = Buffer.from(typeof head === 'string' ? head : JSON.stringify(head));
    return Buffer.concat([start(type, id, json.length, 9 + json.length), json]);
  };
  const put = (fd, bytes) => {
    for (let at = 0; at < bytes.length; ) {
      try { at += writeSync(fd, bytes, at); } catch (err) { if (err.code !== 'EAGAIN') throw err; }
    }
  };
  const say = (type, id, head) => put(CHANNEL, frame(type, id, head));
  const announce = (type, id, headBytes, length) => put(CHANNEL, start(type, id, headBytes, length));
  const repeated = (bytes) => Buffer.concat(Array(Math.ceil(65_536 / bytes.length)).fill(bytes));
  const flood = (fd, bytes) => {
    for (const until = Date.now() + ${FLOOD_MS}; Date.now() < until; ) put(fd, bytes);
  };
`;

/** An artifact that is no component but a script, which a guest that broke out of WebAssembly could run in its sandbox. */
export function takenOver(script: string): PrecompiledArtifact {
  const glue = Buffer.from(PRELUDE + script);
  const contentHash = `sha256:${createHash('sha256').update(glue).digest('hex')}`;
  return { contentHash, glue, coreModules: {}, imports: [] };
}
