import { describe, expect, it } from '@jest/globals';
import { traceIdOf, traceOf } from './trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const executionId = '019ad2a5-1f3c-7b21-9c1e-0123456789ab';
const own = executionId.replaceAll('-', '');
const parentId = own.slice(16);

describe('traceOf', () => {
  it.each([
    [`00-${TRACE}-${PARENT}-01`, '01'],
    [`00-${TRACE}-${PARENT}-00`, '00'],
    [`00-${TRACE}-${PARENT}-03`, '01'],
    [`cc-${TRACE}-${PARENT}-01`, '01'],
    [`cc-${TRACE}-${PARENT}-01-what-the-future-holds`, '01'],
  ])('goes on with %s, as a parent of its own', (traceparent, flags) => {
    const trace = traceOf({ traceparent, tracestate: 'a=1,b@c=2' }, executionId);
    expect(trace).toEqual({
      traceId: TRACE,
      headers: { traceparent: `00-${TRACE}-${parentId}-${flags}`, tracestate: 'a=1,b@c=2' },
    });
    expect(traceIdOf(trace.headers)).toBe(TRACE);
  });

  it.each([
    undefined,
    '',
    'hello',
    `00-${TRACE}-${PARENT}`,
    `00-${TRACE}-${PARENT}-01-more`,
    `00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `cc-${TRACE}-${PARENT}-01.x`,
    `00-${TRACE.slice(1)}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-0x`,
  ])('begins a trace where it is told %j, and takes no state', (traceparent) => {
    const trace = traceOf({ traceparent, tracestate: 'a=1' }, executionId);
    expect(trace).toEqual({ traceId: own, headers: { traceparent: `00-${own}-${parentId}-00` } });
  });

  it.each([
    ['', false],
    ['a', false],
    ['=1', false],
    ['a=', false],
    ['A=1', false],
    ['a=1,a=2', false],
    ['a=1=2', false],
    ['a=\u00e9', false],
    ['a=1\u007f', false],
    [`a=${'1'.repeat(512)}`, false],
    [Array.from({ length: 33 }, (_, at) => `k${at}=1`).join(','), false],
    [Array.from({ length: 32 }, (_, at) => `k${at}=1`).join(','), true],
    ['a=1, b=2 ,\tc=3,,', true],
    ['0vendor@system=x y', true],
  ])('passes the state %j on: %p', (tracestate, passes) => {
    const { headers } = traceOf({ traceparent: `00-${TRACE}-${PARENT}-01`, tracestate }, executionId);
    expect(headers.tracestate).toBe(passes ? tracestate : undefined);
  });
});

it('what came otherwise has no trace', () => {
  expect(traceIdOf({})).toBeUndefined();
  expect(traceIdOf({ traceparent: 'hello' })).toBeUndefined();
});
