import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { describe, expect, it } from '@jest/globals';
import { decodeComponent } from '../../core/component/decode.ts';
import { rewriteModules } from '../../core/wasm/rewrite.ts';
import { createEngine } from '../../runner/engine/create-engine.ts';
import type { GuestOutcome, GuestRequest } from '../../runner/engine/engine.ts';
import { fakeHost } from '../support/fake-host.ts';

// Written by hand, with no more than linking one component to another needs.

const engine = createEngine();

async function run(contentHash: string): Promise<GuestOutcome> {
  const request: GuestRequest = {
    context: { tenantId: 't', extensionId: 'e' },
    http: { method: 'GET', url: '/', headers: [] },
  };
  return engine.execute(contentHash, request, fakeHost(), { timeoutMs: 60_000, memoryMb: 64 });
}

/** A component whose handler calls another one within it, which counts down from `count`. */
const nested = (count: number): string => `(component
  (component $inner
    (core module $m
      (func (export "work") (param i32) (result i32)
        (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (i32.const 200)))
    (core instance $i (instantiate $m))
    (func (export "work") (param "n" u32) (result u32) (canon lift (core func $i "work"))))
  (instance $in (instantiate $inner))
  (core func $work (canon lower (func $in "work")))
  (core module $m
    (import "in" "work" (func $work (param i32) (result i32)))
    (memory (export "memory") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
    (func (export "handler") (param i32 i32) (result i32)
      (i32.store16 (i32.const 0) (call $work (i32.const ${count})))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "in" (instance (export "work" (func $work))))))
  (type $record (record (field "status" u16) (field "body" (list u8))))
  (export $response "response" (type $record))
  (func (export "handler") (param "request" string) (result $response)
    (canon lift (core func $i "handler") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))`;

/** A component whose handler lends a resource of the host many times to another within it. */
const lending = (inner: string): string => `(component
  (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $of-poll))
    (export "pollable" (type $p (eq $of-poll)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (component $inner
    (import "pollable" (type $r (sub resource)))
    (core func $drop (canon resource.drop $r))
    (core module $m
      (import "in" "drop" (func $drop (param i32)))
      (func (export "work") (param i32) ${inner}))
    (core instance $i (instantiate $m (with "in" (instance (export "drop" (func $drop))))))
    (func (export "work") (param "p" (borrow $r)) (canon lift (core func $i "work"))))
  (instance $in (instantiate $inner (with "pollable" (type $pollable))))
  (alias export $clock "subscribe-duration" (func $subscribe))
  (core func $subscribed (canon lower (func $subscribe)))
  (core func $work (canon lower (func $in "work")))
  (core module $m
    (import "in" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "in" "work" (func $work (param i32)))
    (memory (export "memory") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
    (func (export "handler") (param i32 i32) (result i32) (local $p i32) (local $n i32)
      (local.set $p (call $subscribe (i64.const 0)))
      (local.set $n (i32.const 12000))
      (loop
        (call $work (local.get $p))
        (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (i32.store16 (i32.const 0) (i32.const 200))
      (i32.const 0)))
  (core instance $i (instantiate $m
    (with "in" (instance (export "subscribe" (func $subscribed)) (export "work" (func $work))))))
  (type $record (record (field "status" u16) (field "body" (list u8))))
  (export $response "response" (type $record))
  (func (export "handler") (param "request" string) (result $response)
    (canon lift (core func $i "handler") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))`;

/** A component that calls what is about tasks: it adds its context, before and after it is written, those of the other one, and 200. */
const TASKS = `(component
  (core func $get (canon context.get i32 0))
  (core func $set (canon context.set i32 0))
  (core func $new (canon waitable-set.new))
  (core func $drop (canon waitable-set.drop))
  (core func $join (canon waitable.join))
  (component $inner
    (core func $get (canon context.get i32 0))
    (core func $set (canon context.set i32 0))
    (core module $m
      (import "in" "get" (func $get (result i32)))
      (import "in" "set" (func $set (param i32)))
      (func (export "work") (result i32) (local $before i32)
        (local.set $before (call $get))
        (call $set (i32.const 7))
        (local.get $before)))
    (core instance $i (instantiate $m
      (with "in" (instance (export "get" (func $get)) (export "set" (func $set))))))
    (func (export "work") (result u32) (canon lift (core func $i "work"))))
  (instance $in (instantiate $inner))
  (core func $work (canon lower (func $in "work")))
  (core module $m
    (import "in" "get" (func $get (result i32)))
    (import "in" "set" (func $set (param i32)))
    (import "in" "new" (func $new (result i32)))
    (import "in" "drop" (func $drop (param i32)))
    (import "in" "join" (func $join (param i32 i32)))
    (import "in" "work" (func $work (result i32)))
    (memory (export "memory") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
    (func (export "handler") (param i32 i32) (result i32) (local $sum i32)
      (nop)
      (local.set $sum (call $get))
      (call $set (i32.const 5))
      (call $drop (call $new))
      (local.set $sum (i32.add (local.get $sum) (i32.add (call $work) (call $work))))
      (i32.store16 (i32.const 0) (i32.add (i32.const 200) (i32.add (local.get $sum) (call $get))))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "in" (instance
    (export "get" (func $get)) (export "set" (func $set)) (export "new" (func $new))
    (export "drop" (func $drop)) (export "join" (func $join)) (export "work" (func $work))))))
  (type $record (record (field "status" u16) (field "body" (list u8))))
  (export $response "response" (type $record))
  (func (export "handler") (param "request" string) (result $response)
    (canon lift (core func $i "handler") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))`;

async function loadPlanned(contentHash: string, wat: string): Promise<void> {
  const { modules, plan } = decodeComponent(await parse(wat));
  const named = Object.fromEntries(modules.map((bytes, index) => [`core${index}.wasm`, bytes]));
  await engine.load({
    contentHash,
    coreModules: rewriteModules(named, { memoryMb: 64 }).modules,
    plan: { ...plan, modules: Object.keys(named) },
    imports: ['wasi:io/poll', 'wasi:clocks/monotonic-clock'],
  });
}

describe('a component within another', () => {
  it('is lent a resource as often as it gives it back', async () => {
    await loadPlanned('gives back', lending('(call $drop (local.get 0))'));
    expect(await run('gives back')).toMatchObject({ ok: true, response: { status: 200 } });
  });

  it('traps when it keeps what it was lent', async () => {
    await loadPlanned('keeps', lending(''));
    const outcome = await run('keeps');
    expect(outcome).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
    expect(outcome.fuel).toBeLessThan(1_000);
  });

  it('may compute for longer than a slice of fuel, though it cannot give others their turn', async () => {
    await loadPlanned('nested', nested(1_000_000));
    expect(await run('nested')).toMatchObject({ ok: true, response: { status: 200 } });
  });

  it('has a context of its own for each call', async () => {
    await loadPlanned('tasks', TASKS);
    expect(await run('tasks')).toMatchObject({ ok: true, response: { status: 205 } });
    expect(await run('tasks')).toMatchObject({ ok: true, response: { status: 205 } });
  });

  it('traps where it takes part in a call that is asynchronous', async () => {
    await loadPlanned('joins', TASKS.replace('(nop)', '(call $join (call $new) (i32.const 1))'));
    expect(await run('joins')).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
  });

  it('traps where it drops a set of waitables that it does not have', async () => {
    await loadPlanned('drops', TASKS.replace('(nop)', '(call $drop (i32.const 1))'));
    expect(await run('drops')).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
  });
});
