// Builds once what many test files use, so that none waits for another, or builds it a second time.
import { buildWorkflows } from '../../scripts/build-workflows.ts';
import { precompiledComponent } from './components.ts';

await buildWorkflows(console.log);
for (const name of ['hello', 'hostile'] as const) {
  for (const engine of ['starlingmonkey', 'quickjs'] as const) await precompiledComponent(name, { engine });
}
for (const name of ['rust-hello', 'rust-hostile'] as const) await precompiledComponent(name);
