import { join } from 'node:path';
import { keepRust, RUST_GUESTS } from './rust-component.ts';

// Compiles the guests in Rust anew and keeps their bytes beside their sources, so that tests need no compiler.

for (const folder of RUST_GUESTS) {
  const { rustc, component } = await keepRust(join(import.meta.dirname, '..', folder));
  console.log(`${folder}: sha256 ${component}, by ${rustc}`);
}
