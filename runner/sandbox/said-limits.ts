import { FrameError, type FrameStart } from './frame.ts';

// What a sandbox may say at most, on both sides: the sandbox ends the guest that wants more, the supervisor a sandbox that says more.

export const MAX_HEAD_BYTES = 1024 * 1024;
/** Bytes beside the head of a host call; more than any capability takes. */
export const MAX_CALL_BYTES = 1024 * 1024;
/** What a guest prints in one execution; the rest is cut. */
export const MAX_OUTPUT_BYTES = 64 * 1024;
/** Text that reaches a log or an answer. */
export const MAX_SAID_CHARACTERS = 1024;
export const MAX_RESPONSE_HEADERS = 100;
export const MAX_RESPONSE_HEADER_BYTES = 32 * 1024;

/** Throws FrameError for a frame that is larger than it may be. */
export function requireSize({ type, headBytes, blobBytes }: FrameStart, maxBlobBytes: number): void {
  if (headBytes > MAX_HEAD_BYTES || blobBytes > maxBlobBytes) {
    throw new FrameError(`a frame of type ${type} with ${headBytes} and ${blobBytes} bytes`);
  }
}
