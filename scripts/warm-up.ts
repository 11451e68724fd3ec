import { worldFunctions } from '../core/world.ts';

/**
 * Uses what calls use of the language. Nothing in it may ask for the time or for randomness: every instance would begin with the answer.
 */
const USE_LANGUAGE = `async () => {
  const bytes = new Uint8Array(new ArrayBuffer(8), 0, 8);
  bytes.set(new Uint8Array(bytes.buffer.slice(0, 4)));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, view.getUint32(4, true), true);
  const parts = 'a-b'.replace(/-/, '+').split('+').map((part) => ({ part, code: part.charCodeAt(0) }));
  const number = Number(BigInt.asUintN(64, BigInt(Math.max(1, parts.length))));
  const known = new Map(parts.filter(({ code }) => new Set([number]).has(code)).map(Object.entries));
  try {
    if (Array.isArray(parts)) throw new TypeError(JSON.stringify(JSON.parse(JSON.stringify([...known, number]))));
  } catch {
    await undefined;
  }
}`;

/**
 * A module that runs when the component is built, before its state is kept. StarlingMonkey sets up a class of the language when it is
 * first used, and with fresh state every call is the first. The glue that componentize-js puts around the modules has classes of its
 * own, which only functions of the glue lead to: those of the interfaces that the component imports.
 */
export function warmUpModule(interfaces: Iterable<string>): string {
  const callable = [...interfaces].find((name) => Object.keys(worldFunctions(name) ?? {}).length > 0);
  return `${callable === undefined ? 'const glue = {};' : `import * as glue from 'alga:extension/${callable}';`}
for (const { constructor } of [() => undefined, ...Object.values(glue).slice(0, 1)]) {
  void constructor(${JSON.stringify(`return ${USE_LANGUAGE}`)})()();
}
`;
}
