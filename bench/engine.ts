import { parseArgs } from 'node:util';
import { measureCalls } from './engine/calls.ts';
import { measureHotLoop, measureWaiting } from './engine/company.ts';
import { buildGuest } from './engine/guests.ts';
import { measureInstrumentation } from './engine/instrumentation.ts';
import { measureMemory } from './engine/memory.ts';
import { measureWasmtime } from './wasmtime/measure.ts';

// The engine alone, in this process and on one thread, but for memory and Wasmtime, which are measured in processes of their own.
// Every figure comes from this one run, so compare within it. Exits with 1 if a bar is missed.

const { values: options } = parseArgs({
  options: {
    calls: { type: 'string', default: '3000' },
    /** Tables whose name holds this. */
    only: { type: 'string', default: '' },
  },
});

const engines = [await buildGuest('StarlingMonkey'), await buildGuest('QuickJS')];
const TABLES: Record<string, () => Promise<object[]>> = {
  'fresh state for every call': () => measureCalls(engines, Number(options.calls)),
  'against the same component in Wasmtime, tuned pooling allocator and epochs': () =>
    measureWasmtime(engines, Number(options.calls)),
  'price of instrumentation': async () => measureInstrumentation([...engines, await buildGuest('sieve')]),
  'resident memory of rewound instances': () => measureMemory(engines),
  'a short call beside a guest in an endless loop': () => measureHotLoop(engines),
  'guests that wait for storage': () => measureWaiting(engines),
};

for (const [name, measure] of Object.entries(TABLES)) {
  if (!name.includes(options.only)) continue;
  const rows = await measure();
  console.log(name);
  console.table(rows);
}
