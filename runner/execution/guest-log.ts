import type { ExecuteRequest } from '../../core/execute.ts';
import { traceIdOf } from '../../core/trace-context.ts';
import type { Logger } from '../../platform/logger.ts';
import type { LogLevel } from '../capabilities/capability.ts';
import { createGuestLogBudget, type GuestLogBudget } from './guest-log-budget.ts';

/** Per execution. What is over is dropped, and its count told in one last line. */
const MAX_LINES = 200;
const MAX_LINE_CHARACTERS = 8 * 1024;
const MAX_BYTES = 256 * 1024;
/** Of an exception's message and stack; that much of the budget it takes, whatever it is. */
const EXCEPTION_BYTES = 4 * 1024;
/** What the ids of a line take in it. */
const LINE_BYTES = 450;

/** Takes what one guest and its sandbox say; `end` reports what was dropped. */
export interface GuestLog {
  line: (level: LogLevel, message: string) => void;
  output: (stream: 'stdout' | 'stderr', bytes: Uint8Array) => void;
  /** What the platform has to say to the author. */
  host: (message: string) => void;
  /** Why the sandbox ended the guest. */
  sandbox: (message: string) => void;
  /** What the guest ended with, made ready by `prepare`, which is not begun if there is no room for it. Answers it, if it was logged. */
  exception: (text: string, prepare: (text: string) => Promise<string>) => Promise<string | undefined>;
  end: () => void;
}

export interface GuestLogs {
  open: (request: ExecuteRequest) => GuestLog;
  /** Tells what was dropped until now. */
  close: () => void;
}

/** Guests' own lines, apart from ours by `stream: "guest"`, with the ids of their execution, within a budget for each tenant and minute. */
export function createGuestLogs(options: { logger: Logger; bytesPerMinute: number }): GuestLogs {
  const budget = createGuestLogBudget(options);
  return {
    open: (request) => openGuestLog(options.logger, budget.take, request),
    close: budget.report,
  };
}

function openGuestLog(
  logger: Logger,
  take: GuestLogBudget['take'],
  { context, http }: ExecuteRequest,
): GuestLog {
  const tenantId = context.tenant_id;
  // Made with the first line, since it costs more than a call of a guest that says nothing.
  let made: Logger | undefined;
  const guest = (): Logger =>
    (made ??= logger.child({
      stream: 'guest',
      tenantId,
      extensionId: context.extension_id,
      installId: context.install_id,
      executionId: context.execution_id,
      requestId: context.request_id,
      traceId: traceIdOf(http.headers),
    }));
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
    // As it is written: a control character takes six bytes.
    if (!take(tenantId, LINE_BYTES + Buffer.byteLength(JSON.stringify(text)), 1)) return;
    guest()[level]({ from, ...(text.length < message.length && { cut: true }) }, text);
  };

  return {
    line: (level, message) => emit(level, 'log', message),
    output: (stream, chunk) => {
      const text = new TextDecoder().decode(chunk).trimEnd();
      if (text !== '') emit(stream === 'stderr' ? 'warn' : 'info', stream, text);
    },
    host: (message) => emit('warn', 'host', message),
    sandbox: (message) => emit('warn', 'sandbox', message),
    async exception(text, prepare) {
      if (!take(tenantId, LINE_BYTES + EXCEPTION_BYTES, 1)) return undefined;
      const prepared = (await prepare(text.slice(0, EXCEPTION_BYTES))).slice(0, EXCEPTION_BYTES);
      guest().error({ from: 'exception' }, prepared);
      return prepared;
    },
    end: () => {
      if (dropped === 0 || !take(tenantId, LINE_BYTES, dropped)) return;
      guest().warn({ dropped }, 'lines over the limit of one execution were dropped');
    },
  };
}
