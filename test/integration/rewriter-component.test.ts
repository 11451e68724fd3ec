import { beforeAll, describe, expect, it } from '@jest/globals';
import { rewriteModules, type RewrittenModules } from '../../core/wasm/rewrite.ts';
import { generateGlue, type Generated } from '../../platform/component/generate-glue.ts';
import { createWasi } from '../../runner/engine/wasi.ts';
import { buildComponent } from '../support/components.ts';
import { fakeHost } from '../support/fake-host.ts';
import { RewrittenHost } from '../support/rewritten-host.ts';

interface Response {
  status: number;
  body?: Uint8Array;
}
type Instantiate = (module: WebAssembly.Module, imports?: WebAssembly.Imports) => WebAssembly.Instance;
interface Glue {
  instantiate(
    getCoreModule: (name: string) => WebAssembly.Module,
    imports: Record<string, unknown>,
    instantiateCore: Instantiate,
  ): { handler: (request: unknown) => Promise<Response> };
}

/** A real component: StarlingMonkey with the sample extension in it. */
describe('the sample extension, rewritten', () => {
  let generated: Generated;
  let glue: Glue;
  let rewritten: RewrittenModules;
  let plain: Map<string, WebAssembly.Module>;
  let modules: Map<string, WebAssembly.Module>;

  beforeAll(async () => {
    const { component } = await buildComponent('hello');
    generated = await generateGlue(component);
    const wasm = Object.fromEntries(generated.files.filter(([name]) => name.endsWith('.wasm')));
    const [, source = new Uint8Array()] = generated.files.find(([name]) => name.endsWith('.js')) ?? [];
    const encoded = Buffer.from(source).toString('base64');
    glue = (await import(`data:text/javascript;base64,${encoded}`)) as Glue;
    rewritten = rewriteModules(wasm, { memoryMb: 64 });
    const compile = (bytes: Record<string, Uint8Array>): Map<string, WebAssembly.Module> =>
      new Map(Object.entries(bytes).map(([name, module]) => [name, new WebAssembly.Module(module)]));
    plain = compile(wasm);
    modules = compile(rewritten.modules);
  });

  function start(
    from: Map<string, WebAssembly.Module>,
    instantiateCore: Instantiate,
  ): ReturnType<Glue['instantiate']> {
    const nothing = new Proxy({}, { get: () => () => Promise.resolve(undefined) });
    const wasi = createWasi(() => fakeHost());
    const imports = generated.imports.map((name) => [name, wasi[name.replace(/@.*/, '')] ?? nothing]);
    return glue.instantiate(
      (name) => {
        const module = from.get(name);
        if (!module) throw new Error(`no module ${name}`);
        return module;
      },
      Object.fromEntries(imports) as Record<string, unknown>,
      instantiateCore,
    );
  }

  const request = (url: string, body?: Uint8Array): unknown => ({
    context: { tenantId: 'acme', extensionId: 'hello' },
    http: {
      method: 'POST',
      url,
      headers: [{ name: 'content-type', value: 'text/plain' }],
      ...(body && { body }),
    },
  });

  it('can be rewound and answers as it did', async () => {
    expect(rewritten.rewindable).toEqual({ yes: true });
    const before = start(plain, (module, imports) => new WebAssembly.Instance(module, imports));
    const host = new RewrittenHost();
    const after = start(modules, host.instantiate);
    for (const body of [new Uint8Array([1, 2, 3]), new Uint8Array(300_000).fill(7)]) {
      const answers = [
        await before.handler(request('/echo', body)),
        await after.handler(request('/echo', body)),
      ];
      expect(answers[1]).toEqual(answers[0]);
      expect(answers[1]?.body?.length).toBe(body.length);
    }
    expect(host.memories).toHaveLength(1);
  });

  it('takes the same fuel in every new instance, and stops without', async () => {
    const used = [];
    for (let nth = 0; nth < 2; nth += 1) {
      const host = new RewrittenHost();
      const { handler } = start(modules, host.instantiate);
      await handler(request('/echo', new Uint8Array(10)));
      used.push(host.fuelUsed);
    }
    expect(used[0]).toBeGreaterThan(1000);
    expect(used[1]).toBe(used[0]);
    const host = new RewrittenHost({ fuel: 1000, slice: 100 });
    const { handler } = start(modules, host.instantiate);
    await expect(handler(request('/echo'))).rejects.toThrow('unreachable');
    expect(host.outOfFuel).toBe(true);
  });
});
