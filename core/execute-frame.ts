const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * A JSON head and a body of bytes in one message: u32 big-endian length of the head, the head as UTF-8 JSON, the body to the end.
 * Between our own processes bodies travel like this and never as base64.
 */
export function encodeFrame(head: unknown, body: Uint8Array): Uint8Array[] {
  const json = encoder.encode(JSON.stringify(head));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, json.byteLength);
  return [length, json, body];
}

/** Undefined if the bytes are no frame. The body is a view on the input. */
export function decodeFrame(bytes: Uint8Array): { head: unknown; body: Uint8Array } | undefined {
  if (bytes.byteLength < 4) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  if (length > bytes.byteLength - 4) return undefined;
  try {
    const head: unknown = JSON.parse(decoder.decode(bytes.subarray(4, 4 + length)));
    return { head, body: bytes.subarray(4 + length) };
  } catch {
    return undefined; // not JSON: the caller names the fault
  }
}
