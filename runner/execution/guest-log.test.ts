import { describe, expect, it } from '@jest/globals';
import type { ExecuteRequest } from '../../core/execute.ts';
import { createLogger } from '../../platform/logger.ts';
import { createGuestLog } from './guest-log.ts';

function setup() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const context = {
    request_id: 'r',
    execution_id: 'x',
    tenant_id: 't',
    extension_id: 'e',
    install_id: 'i',
    version_id: 'v',
    content_hash: 'h',
    config_version: 1,
    trigger: 'http',
  };
  const logger = createLogger({ level: 'info', process: 'runner' }, { write });
  return { lines, log: createGuestLog(logger, { context } as ExecuteRequest) };
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
    };
    expect(lines).toMatchObject([
      { ...ids, level: 'warn', from: 'log', msg: 'careful' },
      { ...ids, level: 'warn', from: 'stderr', msg: 'trace' },
    ]);
    expect(lines).toHaveLength(2);
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
