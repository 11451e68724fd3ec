import { parentPort } from 'node:worker_threads';
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { POSITION } from './exception-text.ts';

// A thread of its own, with little memory: maps are a stranger's. Whoever waits for it ends it when it takes too long.

export interface MapTask {
  id: number;
  /** Names the maps, for those that were read already. */
  contentHash: string;
  text: string;
  maps: ReadonlyMap<string, string>;
}

const MAX_KEPT = 8;
const MAX_NAME = 200;

/** Undefined for a text that is no map of a single script. */
const kept = new Map<string, TraceMap | undefined>();

function mapOf({ contentHash, maps }: MapTask, script: string): TraceMap | undefined {
  const key = `${contentHash} ${script}`;
  if (kept.has(key)) return kept.get(key);
  const text = maps.get(script);
  if (text === undefined) return undefined;
  let map: TraceMap | undefined;
  try {
    map = new TraceMap(text);
  } catch {
    // Its author sees the stack as it is, which says as much.
  }
  kept.set(key, map);
  const [oldest] = kept.keys();
  if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
  return map;
}

parentPort?.on('message', (task: MapTask) => {
  const text = task.text.replace(POSITION, (as, path: string, line: string, column: string) => {
    const map = mapOf(task, path.slice(path.lastIndexOf('/') + 1));
    // Columns begin at 1 in stacks and at 0 in maps.
    const position = { line: Number(line), column: Number(column) - 1 };
    if (map === undefined || position.line < 1 || position.column < 0) return as;
    const found = originalPositionFor(map, position);
    if (found.source === null) return as;
    return `${plainName(found.source)}:${found.line}:${found.column + 1}`;
  });
  parentPort?.postMessage({ id: task.id, text });
});

function plainName(source: string): string {
  return source.slice(-MAX_NAME).replace(/\p{C}/gu, '?');
}
