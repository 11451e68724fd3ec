import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { ARTIFACT_TARGET } from '../../core/artifact-target.ts';
import { WORLD } from '../../core/world.ts';
import { componentOfHostWorld } from '../../test/support/tiny-components.ts';
import { transpileComponent } from './transpile-component.ts';

describe('transpileComponent', () => {
  it('plans how the engine links it, with every function of our world', async () => {
    const { plan, glue, coreModules, imports } = await transpileComponent(await componentOfHostWorld(), {
      memoryMb: 1,
    });
    expect(glue).toBeUndefined();
    const functions = Object.entries(WORLD).flatMap(([name, all]) =>
      Object.keys(all).map((fn) => `alga:extension/${name}#${fn}`),
    );
    expect(
      plan?.lowers.map(({ target }) => 'name' in target && `${target.interface}#${target.name}`).sort(),
    ).toEqual(functions.sort());
    expect([...imports].sort()).toEqual(
      Object.keys(WORLD)
        .map((name) => `alga:extension/${name}`)
        .sort(),
    );
    expect(plan?.modules).toEqual(Object.keys(coreModules));
  });

  it('takes a component whose interfaces have a version', async () => {
    const component = await componentOfHostWorld((wit) =>
      wit.replace('alga:extension;', 'alga:extension@1.2.0;'),
    );
    const { imports } = await transpileComponent(component, { memoryMb: 1 });
    expect(imports).toContain('alga:extension/storage');
  });

  it.each([
    ['a function of its own', 'get: func(key: string)', 'steal: func();\n get: func(key: string)'],
    ['another signature', 'list-keys: func() -> list<string>', 'list-keys: func() -> string'],
    ['another shape of a record', 'tenant-id: string,', 'tenant-id: u32,'],
  ])('refuses interfaces of ours with %s', async (_what, ours, theirs) => {
    const component = await componentOfHostWorld((wit) => wit.replace(ours, theirs));
    await expect(transpileComponent(component, { memoryMb: 1 })).rejects.toMatchObject({
      code: 'WORLD_MISMATCH',
    });
  });

  it('refuses what is no component', async () => {
    await expect(transpileComponent(Buffer.from('hello'), { memoryMb: 1 })).rejects.toMatchObject({
      code: 'COMPONENT_INVALID',
    });
  });
});

describe('ARTIFACT_TARGET', () => {
  it('names the version of jco that is installed', () => {
    const require = createRequire(import.meta.url);
    const entry = require.resolve('@bytecodealliance/jco-transpile');
    const { version } = require(entry.replace(/dist.index\.js$/, 'package.json')) as { version: string };
    expect(ARTIFACT_TARGET).toMatch(new RegExp(`^jco-transpile-${version.replaceAll('.', '\\.')}-v\\d+$`));
  });
});
