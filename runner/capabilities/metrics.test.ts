import { describe, expect, it } from '@jest/globals';
import type { ExecuteRequest } from '../../core/execute.ts';
import type { WitValue } from '../engine/engine.ts';
import { createGuestMetrics, type Dropped } from '../guest-metrics.ts';
import { executeRequest } from '../../test/support/execute-request.ts';
import { SENDING_NOTHING } from '../../test/support/fake-egress.ts';
import type { CapabilityDeps } from './capability.ts';
import { bindHost } from './index.ts';

function setup(providers: ExecuteRequest['providers'] = []) {
  const dropped: Dropped[] = [];
  const guestMetrics = createGuestMetrics({ now: () => 0, countDropped: (reason) => dropped.push(reason) });
  const told: string[] = [];
  const bound = bindHost(
    {
      request: executeRequest({ providers }),
      executionToken: 'token',
      signal: new AbortController().signal,
      timeLeftMs: () => 1_000,
      guestLog: () => undefined,
      hostLog: (line) => told.push(line),
      used: { egressBytes: 0 },
    },
    { ...SENDING_NOTHING, guestMetrics } as Partial<CapabilityDeps> as CapabilityDeps,
  );
  const host = (name: string, ...args: WitValue[]) => bound.call('metrics', name, args);
  return { host, dropped, told, text: () => guestMetrics.text() };
}

const granted = [{ capability: 'metrics.emit' as const, scope: {} }];

describe('metrics', () => {
  it('are kept of an install that was granted them', async () => {
    const { host, text, dropped } = setup(granted);
    expect(await host('count', 'orders', 2, [{ name: 'status', value: 'paid' }])).toEqual({ ok: undefined });
    expect(await host('observe', 'seconds', 0.2, [])).toEqual({ ok: undefined });
    expect(text()).toMatch(/alga_guest_counter_total\{.*metric="orders",label_status="paid"\} 2\n/);
    expect(text()).toMatch(/alga_guest_histogram_sum\{.*metric="seconds"\} 0.2\n/);
    expect(dropped).toEqual([]);
  });

  it('do nothing without a grant, and are counted', async () => {
    const { host, text, dropped, told } = setup();
    expect(await host('count', 'orders', 1, [])).toEqual({ ok: undefined });
    expect(await host('observe', 'seconds', 1, [])).toEqual({ ok: undefined });
    expect(text()).not.toContain('orders');
    expect(dropped).toEqual(['not-granted', 'not-granted']);
    expect(told).toEqual([expect.stringContaining('cap:metrics.emit was denied')]);
  });

  it('that are left out fail nothing, and the log of the execution says why, once', async () => {
    const { host, dropped, told } = setup(granted);
    // What is no number does not cross from the sandbox.
    for (const value of [-1, undefined])
      expect(await host('count', 'orders', value, [])).toEqual({ ok: undefined });
    expect(dropped).toEqual(['invalid', 'invalid']);
    expect(told).toEqual([
      'cap:metrics.emit left a metric out: its name, value or labels are not as wit/metrics.wit says',
    ]);
  });

  it.each<WitValue[]>([[], ['orders', '1', []], ['orders', 1], ['orders', 1, [{ name: 'a' }]]])(
    'throw at arguments of a wrong shape',
    async (...args) => {
      const { host, dropped } = setup(granted);
      await expect(host('count', ...args)).rejects.toThrow();
      expect(dropped).toEqual([]);
    },
  );
});
