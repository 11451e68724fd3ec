import { parseArgs } from 'node:util';
import { buildGuest } from './engine/guests.ts';
import { measureCalls } from './runner/calls.ts';
import { measureChannel } from './runner/channel.ts';
import { measureCold } from './runner/cold.ts';
import { measureMemory } from './runner/memory.ts';
import { measureNeighbour } from './runner/neighbour.ts';
import { createField } from './runner/runner-process.ts';
import { measureUi } from './runner/ui.ts';
import { measureUnloading } from './runner/unloading.ts';

// The runner that production runs, with real sandboxes and objects in a folder; this process makes the calls and stands in for the gateway.
// Every figure comes from this one run, so compare within it. Needs Linux. Exits with 1 if a bar is missed.

const { values: options } = parseArgs({
  options: {
    /** Tables whose name holds this. */
    only: { type: 'string', default: '' },
  },
});

const quickJs = await buildGuest('QuickJS');
const engines = [await buildGuest('StarlingMonkey'), quickJs];
const field = await createField();
const TABLES: Record<string, () => Promise<object[]>> = {
  'supervisor and sandbox without a guest': measureChannel,
  'POST /v1/execute, an echo, warm': () => measureCalls(field, engines),
  'cold: artifact on disk, no sandbox bound': () => measureCold(field, engines),
  'a tenant beside endless loops of another': () => measureNeighbour(field, quickJs),
  'resident memory': () => measureMemory(field, engines),
  'resident memory of a process that calls 500 distinct components, once each': () =>
    measureUnloading(engines),
  'a UI file from the cache': () => measureUi(field),
};

try {
  for (const [name, measure] of Object.entries(TABLES)) {
    if (!name.includes(options.only)) continue;
    const rows = await measure();
    console.log(name);
    console.table(rows);
  }
} finally {
  await field.close();
}
