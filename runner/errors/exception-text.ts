/** Kept of what a guest writes to standard error: its end, where a runtime says why it aborts. */
const MAX_TEXT = 16 * 1024;

/** What componentize-qjs says of an exception: Rust's debug form of it. */
const QUICKJS =
  /Failed to call '[^'\n]*': Exception\(Exception \{ message: (?:Some\("((?:[^"\\]|\\.)*)"\)|None), stack: (?:Some\("((?:[^"\\]|\\.)*)"\)|None) \}\)/;
const QUICKJS_VALUE = /Failed to call '[^'\n]*': Value\((?:String\(Ok\()?([^\n]*?)(?:\)\))?\)?\n/;
// All of these go over what a stranger wrote: each is done in one pass.

/** Of the engines themselves, which no author wrote: their glue, and what they say as they abort. */
const NOISE = [
  /\/initializer\.js:\d{1,7}:\d{1,7}$/,
  /^Redirecting call to abort\(\) to mozalloc_abort$/,
  /^note: run with `RUST_BACKTRACE=1` .*$/,
];

/** A position in a script, as engines write it in a stack: `main.js:3:22`, `/main.js:3:22`. Line and column begin at 1. */
export const POSITION = /(?<![\w./-])([\w./-]{1,200}\.[cm]?js):(\d{1,7}):(\d{1,7})/g;

/** The end of what a guest wrote to standard error. */
export interface StderrTail {
  add: (bytes: Uint8Array) => void;
  text: () => string;
}

export function createStderrTail(): StderrTail {
  let kept = Buffer.alloc(0);
  return {
    add(bytes) {
      kept = Buffer.concat([kept, bytes]);
      if (kept.byteLength > MAX_TEXT) kept = Buffer.from(kept.subarray(kept.byteLength - MAX_TEXT));
    },
    text: () => kept.toString('utf8'),
  };
}

/** Message and stack of an exception as an author would want to read them; all that was said where its form is not known. */
export function exceptionText(stderr: string): string {
  const [, message, stack] = QUICKJS.exec(stderr) ?? [];
  if (message !== undefined || stack !== undefined) {
    return withoutNoise([message, stack].map((part) => unescapeRust(part ?? '')).join('\n'));
  }
  const value = QUICKJS_VALUE.exec(stderr)?.[1];
  return withoutNoise(value === undefined ? stderr : unescapeRust(value));
}

function withoutNoise(text: string): string {
  return text
    .split('\n')
    .filter((line) => !NOISE.some((noise) => noise.test(line)))
    .join('\n')
    .replace(/\n{2,}/g, '\n')
    .trim();
}

/** Of `{:?}` for strings. */
function unescapeRust(text: string): string {
  const plain: Record<string, string> = { n: '\n', r: '\r', t: '\t', '0': '\0' };
  return text.replace(/\\(?:u\{([0-9a-f]{1,6})\}|(.))/g, (_escape, hex?: string, letter = '') =>
    hex === undefined ? (plain[letter as string] ?? String(letter)) : safeCodePoint(Number.parseInt(hex, 16)),
  );
}

function safeCodePoint(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
}
