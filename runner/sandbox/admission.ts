import { FRAME, FrameError, type AdmitFrame, type FrameStart } from './frame.ts';
import { MAX_CALL_BYTES, MAX_HEAD_BYTES, MAX_OUTPUT_BYTES } from './said-limits.ts';

/** What the supervisor waits for from one sandbox. */
export interface Expected {
  isLoading: (id: number) => boolean;
  /** Of an execution under way: what its answer's body may be at most. */
  responseBytes: (id: number) => number | undefined;
}

/** Which frames of a sandbox are read. What speaks of an execution that has ended is not; one of a kind or size that may not be throws. */
export function createAdmission({ isLoading, responseBytes }: Expected): AdmitFrame {
  return (start) => {
    const { type, id } = start;
    if (type === FRAME.ready || type === FRAME.pong || type === FRAME.loaded) {
      requireSize(start, 0);
      return type !== FRAME.loaded || isLoading(id);
    }
    const bodyBytes = responseBytes(id);
    switch (type) {
      case FRAME.outcome:
        requireSize(start, bodyBytes);
        break;
      case FRAME.call:
        requireSize(start, bodyBytes === undefined ? undefined : MAX_CALL_BYTES);
        break;
      case FRAME.output:
        requireSize(start, bodyBytes === undefined ? undefined : MAX_OUTPUT_BYTES);
        break;
      default:
        throw new FrameError(`a frame of type ${type}`);
    }
    return bodyBytes !== undefined;
  };
}

/** Of what is not read the size does not matter. */
function requireSize({ type, headBytes, blobBytes }: FrameStart, maxBlobBytes: number | undefined): void {
  if (maxBlobBytes === undefined) return;
  if (headBytes > MAX_HEAD_BYTES || blobBytes > maxBlobBytes) {
    throw new FrameError(`a frame of type ${type} with ${headBytes} and ${blobBytes} bytes`);
  }
}
