import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { SecretValue } from '../core/secret-value.ts';
import { createLogger } from './logger.ts';

function setup(level = 'info') {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  return { lines, logger: createLogger({ level, process: 'runner' }, destination) };
}

describe('the logger', () => {
  it('names its process and level on every line', () => {
    const { lines, logger } = setup();
    logger.warn({ tenantId: 't' }, 'sandbox lost');
    expect(lines).toMatchObject([{ process: 'runner', level: 'warn', tenantId: 't', msg: 'sandbox lost' }]);
  });

  it('shows no secret by its name, at two depths, nor a SecretValue under any name', () => {
    const { lines, logger } = setup();
    logger.info({
      token: 'hush-1',
      headers: { authorization: 'hush-2', 'x-execution-token': 'hush-3' },
      config: { serviceToken: new SecretValue('hush-4') },
    });
    expect(JSON.stringify(lines)).not.toContain('hush');
  });

  it('leaves out what is below its level', () => {
    const { lines, logger } = setup('error');
    logger.info('nothing to see');
    expect(lines).toEqual([]);
  });
});
