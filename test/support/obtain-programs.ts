// Gets the programs of others that tests need and that are not on this machine, so that the tests find them: `npm run obtain-programs`.
import { createOutput } from '../../starter/output.ts';
import { findTemporalCli } from '../../starter/services/temporal-cli.ts';
import { findChromium } from './chromium.ts';
import { findVersityGw } from './versitygw.ts';
import { findTestSuite, findWasmTools } from './wasm-tools.ts';

const { log, during } = createOutput(process.stdout, 'text');

// One after the other: each compiler takes all cores by itself.
await findTemporalCli({ environment: process.env, log, during });
const wasmTools = await findWasmTools(process.env);
if (wasmTools !== undefined) await findTestSuite(wasmTools, process.env);
await findVersityGw(process.env);
await findChromium(process.env);
