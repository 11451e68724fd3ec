import { describe, expect, it } from '@jest/globals';
import { WASI_INTERFACES } from '../../core/world.ts';
import { fakeHost } from '../../test/support/fake-host.ts';
import { createWasi } from './wasi.ts';

type Functions = Record<string, Record<string, (...args: unknown[]) => unknown>>;
type Stream = Record<string, (...args: unknown[]) => unknown>;

function setup() {
  const written: string[] = [];
  const host = fakeHost({
    output: (stream, bytes) => void written.push(`${stream}: ${Buffer.from(bytes).toString()}`),
  });
  const wasi = createWasi(() => host);
  const call = (name: string, fn: string, ...args: unknown[]): unknown =>
    (wasi as Functions)[`wasi:${name}`]?.[fn]?.(...args);
  return { wasi, written, call };
}

describe('WASI', () => {
  it('answers the interfaces that verification lets through, and no other', () => {
    expect(Object.keys(setup().wasi).sort()).toEqual(Object.keys(WASI_INTERFACES).sort());
  });

  it('gives no environment, no arguments, no folder', () => {
    const { call } = setup();
    expect(call('cli/environment', 'getEnvironment')).toEqual([]);
    expect(call('cli/environment', 'getArguments')).toEqual([]);
    expect(call('cli/environment', 'initialCwd')).toBeUndefined();
    expect(call('filesystem/preopens', 'getDirectories')).toEqual([]);
  });

  it.each([
    ['sockets/tcp-create-socket', 'createTcpSocket', 'access-denied'],
    ['sockets/udp-create-socket', 'createUdpSocket', 'access-denied'],
    ['sockets/ip-name-lookup', 'resolveAddresses', 'access-denied'],
    ['http/outgoing-handler', 'handle', { tag: 'HTTP-request-denied' }],
  ])('denies %s.%s', (name, fn, payload) => {
    expect(() => setup().call(name, fn)).toThrow(expect.objectContaining({ payload }));
  });

  it('traps on exit and ends nothing but the guest', () => {
    expect(() => setup().call('cli/exit', 'exit', { tag: 'ok' })).toThrow(WebAssembly.RuntimeError);
  });

  it('has an input that has ended', () => {
    const stdin = setup().call('cli/stdin', 'getStdin') as Stream;
    expect(() => stdin['blockingRead']?.(10n)).toThrow(
      expect.objectContaining({ payload: { tag: 'closed' } }),
    );
  });

  it('hands output on with the stream it came from', () => {
    const { call, written } = setup();
    (call('cli/stdout', 'getStdout') as Stream)['write']?.(Buffer.from('one'));
    (call('cli/stderr', 'getStderr') as Stream)['blockingWriteAndFlush']?.(Buffer.from('two'));
    expect(written).toEqual(['stdout: one', 'stderr: two']);
  });

  it('tells time in whole milliseconds', () => {
    const { call } = setup();
    expect((call('clocks/monotonic-clock', 'now') as bigint) % 1_000_000n).toBe(0n);
    const { seconds, nanoseconds } = call('clocks/wall-clock', 'now') as {
      seconds: bigint;
      nanoseconds: number;
    };
    expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(5);
    expect(nanoseconds % 1e6).toBe(0);
  });

  it('never draws the same random number twice, and refuses absurd amounts', () => {
    const { call } = setup();
    const drawn = new Set(Array.from({ length: 100 }, () => call('random/random', 'getRandomU64')));
    expect(drawn.size).toBe(100);
    expect(call('random/random', 'getRandomBytes', 16n)).toHaveLength(16);
    expect(() => call('random/random', 'getRandomBytes', 2n ** 40n)).toThrow(WebAssembly.RuntimeError);
  });

  it('waits for the pollable that is ready first', async () => {
    const { call } = setup();
    const soon = call('clocks/monotonic-clock', 'subscribeDuration', 1_000_000n);
    const late = call('clocks/monotonic-clock', 'subscribeDuration', 3_600_000_000_000n);
    expect([...((await call('io/poll', 'poll', [late, soon])) as Uint32Array)]).toEqual([1]);
    await (soon as { block: () => Promise<void> }).block();
  });

  it('traps a guest that polls nothing, since it would wait for ever', async () => {
    await expect(setup().call('io/poll', 'poll', [])).rejects.toThrow(WebAssembly.RuntimeError);
  });
});
