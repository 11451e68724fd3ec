import type { LogMetadata } from '@temporalio/common';
import { Runtime, type Logger as TemporalLogger, type LogLevel } from '@temporalio/worker';
import type { Logger } from '../logger.ts';

const LEVELS = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
} as const satisfies Record<LogLevel, string>;

/** Sends what the SDK and workflows log through ours. Once per process, before anything else of the worker SDK is used. */
export function logTemporalTo(logger: Logger): void {
  Runtime.install({ logger: temporalLogger(logger) });
}

function temporalLogger(logger: Logger): TemporalLogger {
  function log(level: LogLevel, message: string, meta: LogMetadata = {}): void {
    const { error, ...fields } = meta as Record<string, unknown>;
    logger[LEVELS[level]](error === undefined ? fields : { ...fields, err: error }, message);
  }
  return {
    log,
    trace: (message, meta) => log('TRACE', message, meta),
    debug: (message, meta) => log('DEBUG', message, meta),
    info: (message, meta) => log('INFO', message, meta),
    warn: (message, meta) => log('WARN', message, meta),
    error: (message, meta) => log('ERROR', message, meta),
  };
}
