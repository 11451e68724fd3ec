import type { ExecuteRequest } from '../../core/execute.ts';
import type { Logger } from '../../platform/logger.ts';
import type { LogLevel } from '../capabilities/capability.ts';

/** Per execution. What is over is dropped, and its count told in one last line. */
const MAX_LINES = 200;
const MAX_LINE_CHARACTERS = 8 * 1024;
const MAX_BYTES = 256 * 1024;

/** Takes what one guest says; `end` reports what was dropped. */
export interface GuestLog {
  line: (level: LogLevel, message: string) => void;
  output: (stream: 'stdout' | 'stderr', bytes: Uint8Array) => void;
  end: () => void;
}

/** A guest's own lines, apart from ours by `stream: "guest"`, with the ids of its execution. */
export function createGuestLog(logger: Logger, { context }: ExecuteRequest): GuestLog {
  const guest = logger.child({
    stream: 'guest',
    tenantId: context.tenant_id,
    extensionId: context.extension_id,
    installId: context.install_id,
    executionId: context.execution_id,
    requestId: context.request_id,
  });
  let lines = 0;
  let bytes = 0;
  let dropped = 0;

  const emit = (level: LogLevel, from: string, message: string): void => {
    const text = message.slice(0, MAX_LINE_CHARACTERS);
    lines += 1;
    bytes += text.length;
    if (lines > MAX_LINES || bytes > MAX_BYTES) {
      dropped += 1;
      return;
    }
    guest[level]({ from, ...(text.length < message.length && { cut: true }) }, text);
  };

  return {
    line: (level, message) => emit(level, 'log', message),
    output: (stream, chunk) => {
      const text = new TextDecoder().decode(chunk).trimEnd();
      if (text !== '') emit(stream === 'stderr' ? 'warn' : 'info', stream, text);
    },
    end: () => {
      if (dropped > 0) guest.warn({ dropped }, 'lines over the limit of one execution were dropped');
    },
  };
}
