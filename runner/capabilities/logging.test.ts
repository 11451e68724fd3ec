import { describe, expect, it } from '@jest/globals';
import { boundHost } from '../../test/support/bound-host.ts';
import type { WitValue } from '../engine/engine.ts';

describe('logging', () => {
  it('hands lines on with their level', async () => {
    const { host, logged } = boundHost();
    await host('logging', 'log-warn', ['careful']);
    expect(logged).toEqual(['warn: careful']);
  });

  it.each([[[]], [[7]], [['a', 'b']]])(
    'throws at arguments of a wrong shape: %j',
    async (args: WitValue[]) => {
      const { host, logged } = boundHost();
      await expect(host('logging', 'log-info', args)).rejects.toThrow();
      expect(logged).toEqual([]);
    },
  );
});
