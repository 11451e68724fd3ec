import { describe, expect, it } from '@jest/globals';
import { createGuestMetrics, GUEST_METRIC_LIMITS, type Dropped, type Emission } from './guest-metrics.ts';

const MINUTE_MS = 60_000;

function setup() {
  const clock = { now: 0 };
  const dropped: Dropped[] = [];
  const metrics = createGuestMetrics({
    now: () => clock.now,
    countDropped: (reason) => dropped.push(reason),
  });
  const context = (install: string, tenant = 't1') => ({
    tenant_id: tenant,
    extension_id: 'e1',
    install_id: install,
  });
  const emit = (more: Partial<Emission> = {}, install = 'i1', tenant?: string) =>
    metrics.emit(context(install, tenant), {
      kind: 'counter',
      name: 'orders',
      value: 1,
      labels: [],
      ...more,
    });
  /** Lines without comments. */
  const lines = () =>
    metrics
      .text()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
  return { metrics, emit, lines, dropped, clock };
}

describe('metrics of guests', () => {
  it('are added up by install, name and labels, in whatever order those come', () => {
    const { emit, lines, dropped } = setup();
    const labels = [
      { name: 'status', value: 'paid' },
      { name: 'at', value: 'a "shop" in C:\\' },
    ];
    emit({ labels, value: 2 });
    emit({ labels: labels.toReversed(), value: 0.5 });
    emit();
    emit({}, 'i2', 't2');
    expect(lines()).toEqual([
      String.raw`alga_guest_counter_total{tenant="t1",extension="e1",install="i1",metric="orders",label_at="a \"shop\" in C:\\",label_status="paid"} 2.5`,
      'alga_guest_counter_total{tenant="t1",extension="e1",install="i1",metric="orders"} 1',
      'alga_guest_counter_total{tenant="t2",extension="e1",install="i2",metric="orders"} 1',
    ]);
    expect(dropped).toEqual([]);
  });

  it('have histograms, beside a counter of the same name', () => {
    const { emit, lines, metrics } = setup();
    for (const value of [-1, 0.001, 0.3, 7, 1e15]) emit({ kind: 'histogram', value });
    emit();
    const told = lines();
    expect(told).toHaveLength(metrics.lines);
    const bucket = (most: string) => told.find((line) => line.includes(`le="${most}"`))?.split(' ')[1];
    expect(['0.001', '0.1', '0.5', '10', '100000', '+Inf'].map(bucket)).toEqual([
      '2',
      '2',
      '3',
      '4',
      '4',
      '5',
    ]);
    expect(told.at(-1)).toMatch(/^alga_guest_histogram_count\{.*\} 5$/);
    expect(told.at(-2)).toMatch(/^alga_guest_histogram_sum\{.*\} 1000000000000006\.2/);
  });

  it.each<[string, Partial<Emission>]>([
    ['a name that Prometheus does not take', { name: 'orders-paid' }],
    ['a name that ends the line', { name: 'orders\n' }],
    ['a name that is too long', { name: 'o'.repeat(65) }],
    ['no number', { value: undefined }],
    ['a number that has no end', { value: Infinity }],
    ['what is no number', { value: NaN }],
    ['a number that sums would lose', { value: 1e16 }],
    ['a counter that goes down', { value: -1 }],
    ['too many labels', { labels: ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, value: '' })) }],
    ['one label twice', { labels: ['a', 'a'].map((name) => ({ name, value: '' })) }],
    ['a label that ends the line', { labels: [{ name: 'a', value: '"} 1\nup{x="' }] }],
    ['a label that is no text', { labels: [{ name: 'a', value: '\ud800' }] }],
    ['a label that is too long', { labels: [{ name: 'a', value: 'v'.repeat(65) }] }],
    ['a label whose name is not one', { labels: [{ name: '__name__', value: 'up' }] }],
  ])('leave out %s, and keep nothing of it', (_what, emission) => {
    const { emit, lines, metrics, dropped } = setup();
    expect(emit(emission)).toBe('invalid');
    expect([lines(), metrics.lines, dropped]).toEqual([[], 0, ['invalid']]);
  });

  it('of one install, one tenant and all together take no more lines than they may, whatever they are called', () => {
    const { emit, lines, metrics, dropped } = setup();
    const flood = (install: string, tenant: string): void => {
      for (let n = 0; n < 2 * GUEST_METRIC_LIMITS.linesOfInstall; n += 1)
        emit({ name: `n${n}` }, install, tenant);
    };
    flood('i1', 't1');
    expect(metrics.lines).toBe(GUEST_METRIC_LIMITS.linesOfInstall);
    expect(emit({ kind: 'histogram' })).toBe('limit-of-install');
    expect(emit({ name: 'n0' })).toBeUndefined(); // what is there goes on
    for (let n = 0; n < 10; n += 1) flood(`t1-${n}`, 't1');
    expect(metrics.lines).toBe(GUEST_METRIC_LIMITS.linesOfTenant);
    for (let tenant = 2; tenant < 15; tenant += 1)
      for (let n = 0; n < 6; n += 1) flood(`t${tenant}-${n}`, `t${tenant}`);
    expect(metrics.lines).toBe(GUEST_METRIC_LIMITS.lines);
    expect(lines()).toHaveLength(GUEST_METRIC_LIMITS.lines);
    expect(new Set(dropped)).toEqual(new Set(['limit-of-install', 'limit-of-tenant', 'limit-of-runner']));
  });

  it('are forgotten once their install has been silent, and make room for others', () => {
    const { emit, lines, metrics, clock } = setup();
    emit();
    clock.now += 10 * MINUTE_MS;
    emit({}, 'i2');
    clock.now += 5 * MINUTE_MS;
    expect(lines()).toHaveLength(1);
    emit({}, 'i2');
    clock.now += 14 * MINUTE_MS;
    expect(lines()).toEqual([expect.stringMatching(/install="i2".* 2$/)]);
    clock.now += MINUTE_MS;
    expect([lines(), metrics.lines]).toEqual([[], 0]);
    emit({}, 'i2');
    expect(lines()).toEqual([expect.stringMatching(/install="i2".* 1$/)]);
    // Nobody has to look for it.
    clock.now += 15 * MINUTE_MS;
    emit({ name: 'another' }, 'i2');
    expect([lines().length, metrics.lines]).toEqual([1, 1]);
  });

  it('of an install that emits too fast wait for the next minute, and no other install for it', () => {
    const { emit, clock } = setup();
    for (let n = 0; n < GUEST_METRIC_LIMITS.perMinute; n += 1) expect(emit()).toBeUndefined();
    expect([emit(), emit({}, 'i2')]).toEqual(['rate', undefined]);
    clock.now += MINUTE_MS;
    expect(emit()).toBeUndefined();
  });
});
