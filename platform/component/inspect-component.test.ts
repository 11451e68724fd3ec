import { describe, expect, it } from '@jest/globals';
import { componentOfHostWorld, componentOfWorld } from '../../test/support/tiny-components.ts';
import { inspectComponent } from './inspect-component.ts';
import { transpileComponent } from './transpile-component.ts';

const mismatch = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'WORLD_MISMATCH', message: expect.stringMatching(message) });

/** The types of our world, so that a world of the test's own can export a handler. */
const withHandler = (imports: string) => (wit: string) =>
  wit.replace(/( +import [a-z0-9-]+;\n)+/, `${imports}\n`);

describe('inspectComponent', () => {
  it('names imports, exports and the capabilities they need', async () => {
    const component = await componentOfHostWorld(withHandler('import context; import storage;'));
    expect(await inspectComponent(component)).toEqual({
      imports: ['alga:extension/types', 'alga:extension/context', 'alga:extension/storage'],
      exports: ['handler'],
      capabilities: ['context.read', 'storage.kv'],
      memoryBytes: 0,
      findings: [],
    });
  });

  it('takes interfaces with a version as well', async () => {
    const component = await componentOfHostWorld((wit) =>
      withHandler('import user-v2;')(wit).replace('package alga:extension;', 'package alga:extension@1.2.0;'),
    );
    const { imports, capabilities } = await inspectComponent(component);
    expect(imports).toContain('alga:extension/user-v2@1.2.0');
    expect(capabilities).toEqual(['user.read']);
  });

  it.each(['', '@1.0.0'])('takes the interfaces of the host application, version "%s"', async (version) => {
    const names = ['invoicing', 'clients', 'services'];
    const imports = names.map((name) => `import ${name};`).join(' ');
    const component = await componentOfHostWorld((wit) =>
      withHandler(imports)(wit).replace('package alga:extension;', `package alga:extension${version};`),
    );
    const inspection = await inspectComponent(component);
    expect(inspection.imports).toEqual(
      expect.arrayContaining(names.map((name) => `alga:extension/${name}${version}`)),
    );
    expect(inspection.capabilities).toEqual(['invoice.manual.create', 'client.read', 'service.read']);
    const { plan } = await transpileComponent(component, { memoryMb: 64 });
    expect(plan).toBeDefined();
  });

  const OWN_RECORDS = `
    use types.{context-data, http-request, http-header};
    record execute-request { context: context-data, http: http-request }
    record execute-response { status: u16, headers: list<http-header>, body: option<list<u8>> }`;
  const withOwnTypes = (types: string) => (wit: string) =>
    withHandler('')(wit).replace('use types.{execute-request, execute-response};', types);

  it('takes a component that declares request and response anew in the same words', async () => {
    const component = await componentOfHostWorld(withOwnTypes(OWN_RECORDS));
    expect((await inspectComponent(component)).exports).toEqual(['handler']);
  });

  it.each([
    ['a field more', OWN_RECORDS.replace('http: http-request', 'http: http-request, more: u8')],
    ['a field of another type', OWN_RECORDS.replace('u16', 'u32')],
    [
      'types of its own in its fields',
      OWN_RECORDS.replace('context-data, http-request, ', 'http-request, ').replace(
        'record',
        'record context-data { secret: string } record',
      ),
    ],
  ])('refuses one that declares them with %s', async (_what, types) => {
    const component = await componentOfHostWorld(withOwnTypes(types));
    await expect(inspectComponent(component)).rejects.toThrow(mismatch(/does not export/));
  });

  it('takes a component that imports nothing', async () => {
    const { capabilities } = await inspectComponent(await componentOfHostWorld(withHandler('')));
    expect(capabilities).toEqual([]);
  });

  it('advises about WASI interfaces that give no access, and says nothing of those served', async () => {
    const wasi = `
      package wasi:sockets@0.2.12 { interface tcp { f: func(); } }
      package wasi:random@0.2.12 { interface random { f: func(); } }`;
    const component = await componentOfHostWorld(
      (wit) => withHandler('import wasi:sockets/tcp@0.2.12; import wasi:random/random@0.2.12;')(wit) + wasi,
    );
    const { findings } = await inspectComponent(component);
    expect(findings).toEqual([
      { import: 'wasi:sockets/tcp@0.2.12', message: 'wasi:sockets/tcp is imported: it runs, with no access' },
    ]);
  });

  it.each([
    [
      'a table that it writes',
      { fields: '(table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))' },
      /^table\.set in function \d+ of core0\.wasm changes what is neither memory nor a global, so every call that shares no instance gets a new one$/,
    ],
    [
      'strings that are not UTF-8',
      { stringEncoding: 'utf16' } as const,
      /^the component uses strings that are not UTF-8, so every call gets a new instance, which holds its thread/,
    ],
  ])('tells why every call of a component with %s gets a new instance', async (_what, core, reason) => {
    const component = await componentOfHostWorld(undefined, core);
    const { newInstancePerCall } = await inspectComponent(component);
    expect(newInstancePerCall).toMatch(reason);
    const { plan, glue } = await transpileComponent(component, { memoryMb: 1 });
    expect(newInstancePerCall).toContain(plan ? plan.notRewindable : 'its thread');
    expect(plan === undefined).toBe(glue !== undefined);
  });

  it('tells the same of resources of its own', async () => {
    const component = await componentOfHostWorld((wit) =>
      wit.replace(
        'export handler',
        'export door: interface { resource bell { ring: func(); } } export handler',
      ),
    );
    expect((await inspectComponent(component)).newInstancePerCall).toMatch(
      /^the component uses resources of its own/,
    );
  });

  it.each([
    [
      'an interface of another package',
      'import other:thing/door;',
      'package other:thing { interface door { f: func(); } }',
      /other:thing\/door/,
    ],
    ['a function of its own', 'import open: func();', '', /imports open/],
    ['an inline interface', 'import door: interface { open: func(); }', '', /imports door/],
    [
      'an unknown interface of ours',
      'import ledger;',
      'interface ledger { f: func(); }',
      /alga:extension\/ledger/,
    ],
    [
      'WASI of another generation',
      'import wasi:random/random@0.3.0;',
      'package wasi:random@0.3.0 { interface random { f: func(); } }',
      /wasi:random\/random@0\.3\.0/,
    ],
    [
      'a WASI interface we do not answer',
      'import wasi:keyvalue/store@0.2.0;',
      'package wasi:keyvalue@0.2.0 { interface store { f: func(); } }',
      /wasi:keyvalue/,
    ],
  ])('refuses %s by name and says what to use', async (_what, imports, more, message) => {
    const component = await componentOfHostWorld((wit) => `${withHandler(imports)(wit)}\n${more}`);
    await expect(inspectComponent(component)).rejects.toEqual(mismatch(message));
    await expect(inspectComponent(component)).rejects.toEqual(mismatch(/alga:extension instead/));
  });

  it.each([
    ['without a handler', 'package a:b; world w { export run: func(); }'],
    [
      'whose handler takes something else',
      'package a:b; world w { export handler: func(request: string) -> string; }',
    ],
    [
      'whose handler takes a type of its own by the same name',
      'package a:b; world w { record execute-request { a: u8 } record execute-response { b: u8 } export handler: func(request: execute-request) -> execute-response; }',
    ],
  ])('refuses a component %s', async (_what, wit) => {
    const component = await componentOfWorld(wit, 'w');
    await expect(inspectComponent(component)).rejects.toEqual(mismatch(/does not export "handler/));
  });

  it.each([
    ['text', Buffer.from('hello')],
    ['nothing', new Uint8Array()],
    ['a core module', Uint8Array.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])],
  ])('refuses %s as COMPONENT_INVALID', async (_what, bytes) => {
    await expect(inspectComponent(bytes)).rejects.toMatchObject({ code: 'COMPONENT_INVALID' });
  });
});
