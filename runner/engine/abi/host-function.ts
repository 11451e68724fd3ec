import type { HostFunction } from '../../../core/component/plan.ts';
import { camelCase } from '../../../core/world.ts';
import { trap } from './guest-memory.ts';

/** Functions and resource classes of the host by interface, under their JavaScript names. */
export type HostInterfaces = Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;

export type AnyFunction = (...args: unknown[]) => unknown;

/** `[method]pollable.block`, `[static]fields.from-list`, `[constructor]fields` or a plain name. */
const MEMBER = /^\[(method|static|constructor)\]([a-z0-9-]+)(?:\.([a-z0-9-]+))?$/;

/** What the host itself has under the name, and nothing that is inherited; what is missing traps when it is called. */
export function hostFunction(
  host: HostInterfaces,
  { interface: interfaceName, name }: HostFunction,
): AnyFunction {
  const functions = ownOf(host, interfaceName);
  const [, kind, resource = '', member = ''] = MEMBER.exec(name) ?? [];
  if (kind === undefined) return functionOf(ownOf(functions, camelCase(name)), name);
  const type = ownOf(functions, className(resource));
  if (typeof type !== 'function') return functionOf(undefined, name);
  if (kind === 'constructor') return (...args) => new (type as new (...args: unknown[]) => object)(...args);
  if (kind === 'static') return functionOf(ownOf(type, camelCase(member)), name);
  const method = functionOf(ownOf(type.prototype, camelCase(member)), name);
  return (self, ...args) => method.call(self, ...args);
}

function ownOf(holder: unknown, key: string): unknown {
  const isHolder = (typeof holder === 'object' && holder !== null) || typeof holder === 'function';
  return isHolder && Object.hasOwn(holder, key) ? (holder as Record<string, unknown>)[key] : undefined;
}

function functionOf(value: unknown, name: string): AnyFunction {
  if (typeof value === 'function') return value as AnyFunction;
  return () => {
    throw trap(`the host has no ${name}`);
  };
}

/** `OutputStream` of `output-stream`. */
export function className(witName: string): string {
  return camelCase(`-${witName}`);
}
