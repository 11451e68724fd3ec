/** Values in JSON text, strings apart: each follows one of these, but for the first. */
const BEFORE_A_VALUE: ReadonlySet<number> = new Set(Buffer.from('[{,'));
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether JSON text holds more values than it may, told before it is parsed. Small values take more time and memory than their bytes show. */
export function hasTooManyValues(json: Uint8Array, max: number): boolean {
  if (json.byteLength <= 2 * max) return false; // each takes two bytes
  let values = 1;
  for (let at = 0; at < json.byteLength; at += 1) {
    const byte = json[at] ?? 0;
    if (byte === QUOTE) at = endOfString(json, at);
    else if (BEFORE_A_VALUE.has(byte) && (values += 1) > max) return true;
  }
  return false;
}

/** Where the closing quote is. */
function endOfString(json: Uint8Array, start: number): number {
  for (let at = start + 1; at < json.byteLength; at += 1) {
    if (json[at] === BACKSLASH) at += 1;
    else if (json[at] === QUOTE) return at;
  }
  return json.byteLength;
}
