import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ExecuteRequest } from '../../core/execute.ts';
import { createLogger } from '../../platform/logger.ts';
import { createGuestLogs, type GuestLog } from './guest-log.ts';

const TRACE = 'a'.repeat(32);

function setup(bytesPerMinute = 2 ** 20) {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const logger = createLogger({ level: 'info', process: 'runner' }, { write });
  const logs = createGuestLogs({ logger, bytesPerMinute });
  const open = (tenantId = 't'): GuestLog => {
    const context = {
      request_id: 'r',
      execution_id: 'x',
      tenant_id: tenantId,
      extension_id: 'e',
      install_id: 'i',
      version_id: 'v',
      content_hash: 'h',
      config_version: 1,
      trigger: 'http',
    };
    const headers = { traceparent: `00-${TRACE}-${'b'.repeat(16)}-01` };
    return logs.open({ context, http: { headers } } as unknown as ExecuteRequest);
  };
  return { lines, logs, open, log: open() };
}

describe('the log of a guest', () => {
  it('has the ids of its execution and a stream of its own', () => {
    const { lines, log } = setup();
    log.line('warn', 'careful');
    log.output('stderr', Buffer.from('trace\n'));
    log.end();
    const ids = {
      stream: 'guest',
      tenantId: 't',
      extensionId: 'e',
      installId: 'i',
      executionId: 'x',
      requestId: 'r',
      traceId: TRACE,
    };
    expect(lines).toMatchObject([
      { ...ids, level: 'warn', from: 'log', msg: 'careful' },
      { ...ids, level: 'warn', from: 'stderr', msg: 'trace' },
    ]);
    expect(lines).toHaveLength(2);
  });

  it('tells what the guest ended with, as far as there is room, and else does nothing for it', async () => {
    const { lines, log } = setup(10_000);
    const asked: string[] = [];
    const mapped = (text: string): Promise<string> => {
      asked.push(text);
      return Promise.resolve(`${text} in src/main.ts`);
    };
    expect(await log.exception('thrown', mapped)).toBe('thrown in src/main.ts');
    expect(await log.exception('x'.repeat(100_000), (text) => Promise.resolve(`${text}more`))).toHaveLength(
      4096,
    );
    expect(await log.exception('third', mapped)).toBeUndefined();
    expect(asked).toEqual(['thrown']);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({
      level: 'error',
      from: 'exception',
      requestId: 'r',
      msg: 'thrown in src/main.ts',
    });
  });

  it('cuts a long line', () => {
    const { lines, log } = setup();
    log.line('info', 'x'.repeat(100_000));
    expect(lines).toMatchObject([{ cut: true, msg: 'x'.repeat(8 * 1024) }]);
  });

  it('drops what is over its count or size, and tells how much', () => {
    for (const [text, kept] of [
      ['x', 200],
      ['x'.repeat(8 * 1024), 32],
    ] as const) {
      const { lines, log } = setup();
      for (let line = 0; line < 300; line += 1) log.line('info', text);
      log.end();
      expect(lines).toHaveLength(kept + 1);
      expect(lines.at(-1)).toMatchObject({ dropped: 300 - kept, stream: 'guest' });
    }
  });
});

describe("the log of a tenant's guests", () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('is bounded by the minute, which tells once what was dropped, and takes nothing from the neighbour', () => {
    const { lines, open } = setup(100_000);
    for (let call = 0; call < 48; call += 1) {
      const log = open('loud');
      for (let line = 0; line < 300; line += 1) log.line('info', '\u0001'.repeat(100));
      log.end();
    }
    const kept = lines.filter(({ tenantId }) => tenantId === 'loud');
    const bytes = kept.reduce((sum, line) => sum + JSON.stringify(line).length, 0);
    expect(bytes).toBeLessThanOrEqual(100_000);
    expect(bytes).toBeGreaterThan(70_000);
    const accounted = kept.reduce((sum, { dropped }) => sum + Number(dropped ?? 1), 0);
    const neighbour = open('quiet');
    neighbour.line('info', 'still here');
    expect(lines.at(-1)).toMatchObject({ tenantId: 'quiet', msg: 'still here' });

    lines.length = 0;
    jest.advanceTimersByTime(60_000);
    expect(lines).toMatchObject([{ tenantId: 'loud', dropped: 48 * 300 - accounted, level: 'warn' }]);
    expect(lines[0]).not.toHaveProperty('stream');

    open('loud').line('info', 'a new minute');
    expect(lines.at(-1)).toMatchObject({ tenantId: 'loud', msg: 'a new minute' });
    jest.advanceTimersByTime(60_000);
    expect(lines).toHaveLength(2);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('tells what was dropped when the runner stops', () => {
    const { lines, logs, log } = setup(0);
    log.line('info', 'one');
    logs.close();
    expect(lines).toMatchObject([{ tenantId: 't', dropped: 1 }]);
    expect(jest.getTimerCount()).toBe(0);
  });
});
