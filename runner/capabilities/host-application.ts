import type { z } from 'zod';
import { HOST_FUNCTIONS } from '../../core/api/host-application.ts';
import type { CapabilityName } from '../../core/capabilities.ts';
import { issuesOf } from '../../core/issues.ts';
import type { HostReply, WitValue } from '../engine/engine.ts';
import type { CallContext, Capability, CapabilityDeps, HostFunction } from './capability.ts';

const { clients, services, invoicing } = HOST_FUNCTIONS;

/** What became of a call, when it is no answer. */
type Failure = { code: string; faults?: Record<string, string> };
type Answered = { answer: unknown } | Failure;

/** The host application's clients. */
export const clientsCapability: Capability = {
  name: 'client.read',
  bind: (call, _scope, deps) => {
    const ask = createAsk('client.read', call, deps);
    return {
      clients: {
        'list-clients': readWith(ask, 'clients/list-clients', clients['list-clients'], first),
        'get-client': readWith(ask, 'clients/get-client', clients['get-client'], ([id]) => ({
          client_id: id,
        })),
      },
    };
  },
};

/** The host application's services. */
export const servicesCapability: Capability = {
  name: 'service.read',
  bind: (call, _scope, deps) => {
    const ask = createAsk('service.read', call, deps);
    return {
      services: {
        'list-services': readWith(ask, 'services/list-services', services['list-services'], first),
        'get-service': readWith(ask, 'services/get-service', services['get-service'], ([id]) => ({
          service_id: id,
        })),
      },
    };
  },
};

/** Invoices in the host application. Without an error type, what went wrong is text. */
export const invoicingCapability: Capability = {
  name: 'invoice.manual.create',
  bind: (call, _scope, deps) => {
    const ask = createAsk('invoice.manual.create', call, deps);
    const create: HostFunction = async (args) => {
      const answered = await ask(
        'invoicing/create-manual-invoice',
        invoicing['create-manual-invoice'],
        first(args),
      );
      return { ok: 'answer' in answered ? inCamelCase(answered.answer) : noInvoice(answered) };
    };
    return { invoicing: { 'create-manual-invoice': create } };
  },
};

type Ask = (
  path: string,
  shape: { input: z.ZodType; answer: z.ZodType },
  input: unknown,
) => Promise<Answered>;

/** Asks the gateway; says in the guest's log what its author or an operator can change. */
function createAsk(capability: CapabilityName, call: CallContext, { hostApi }: CapabilityDeps): Ask {
  let calls = 0; // of this execution: what is asked twice is two calls
  return async (path, { input: schema, answer: answerSchema }, given) => {
    const input = schema.safeParse(given);
    if (!input.success) {
      const faults = issuesOf(input.error).map((issue) => [issue.path, issue.message]);
      return { code: 'INPUT_INVALID', faults: Object.fromEntries(faults) as Record<string, string> };
    }
    calls += 1;
    const reply = await hostApi.call(path, { call: calls, input: input.data }, call);
    if (!('code' in reply)) return { answer: answerSchema.parse(reply.body) };
    if (reply.code === 'CAPABILITY_NOT_GRANTED') call.denied(capability);
    if (reply.code === 'HOST_APPLICATION_MISSING') {
      call.explain(
        `cap:${capability} is granted, and this platform is connected to no host application: an operator sets HOST_API_BASE_URL`,
      );
    } else if (REASONS.has(reply.code)) call.explain(`${path} failed: ${REASONS.get(reply.code) ?? ''}`);
    return reply;
  };
}

function readWith(
  ask: Ask,
  path: string,
  shape: { input: z.ZodType; answer: z.ZodType },
  inputOf: (args: readonly WitValue[]) => unknown,
): HostFunction {
  return async (args): Promise<HostReply> => {
    const answered = await ask(path, shape, inputOf(args));
    if ('answer' in answered) return { ok: inCamelCase(answered.answer) };
    return { err: READ_ERRORS.get(answered.code) ?? 'internal' };
  };
}

const READ_ERRORS = new Map([
  ['INPUT_INVALID', 'invalid-input'],
  ['HOST_INPUT_REFUSED', 'invalid-input'],
  ['BODY_TOO_LARGE', 'invalid-input'],
  ['CAPABILITY_NOT_GRANTED', 'not-allowed'],
  ['EXECUTION_ENDED', 'not-allowed'],
  ['HOST_APPLICATION_MISSING', 'not-allowed'],
  ['HOST_APPLICATION_REFUSED', 'not-allowed'],
]);

const REASONS = new Map([
  ['INPUT_INVALID', 'the gateway does not take the input'],
  ['HOST_APPLICATION_REFUSED', 'the host application does not allow it'],
  ['HOST_INPUT_REFUSED', 'the host application does not take the input'],
  ['HOST_ROUTE_MISSING', 'the host application does not know it'],
  ['HOST_APPLICATION_UNAVAILABLE', 'the host application could not be reached'],
  ['HOST_APPLICATION_FAILED', 'the host application did not answer as it should'],
  ['BODY_TOO_LARGE', 'the input is too large'],
  ['CONCURRENCY_LIMITED', 'too many calls of this tenant wait for the host application'],
]);

/** Codes after which it is certain that there is no invoice. */
const NOTHING_DONE = [
  'HOST_APPLICATION_REFUSED',
  'HOST_INPUT_REFUSED',
  'HOST_ROUTE_MISSING',
  'HOST_APPLICATION_UNAVAILABLE',
  'BODY_TOO_LARGE',
  'INPUT_INVALID',
  'CONCURRENCY_LIMITED',
];

function noInvoice({ code, faults }: Failure): WitValue {
  const failed = (error: string): WitValue => ({ success: false, error });
  if (faults) {
    return {
      success: false,
      error: 'the input is not valid',
      fieldErrors: JSON.stringify(camelKeys(faults)),
    };
  }
  if (code === 'CAPABILITY_NOT_GRANTED')
    return failed('the capability cap:invoice.manual.create is not granted');
  if (code === 'EXECUTION_ENDED') return failed('the execution has ended; no invoice was created');
  if (code === 'HOST_APPLICATION_MISSING') return failed('this platform is connected to no host application');
  const reason = REASONS.get(code) ?? 'the answer was lost';
  const isCertain = NOTHING_DONE.includes(code);
  return failed(`${reason}; ${isCertain ? 'no invoice was created' : 'the invoice may have been created'}`);
}

/** The record that the function takes, in the host application's spelling. */
function first([record]: readonly WitValue[]): unknown {
  return inSnakeCase(record);
}

function inSnakeCase(value: unknown): unknown {
  return renamed(value, (key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}

function inCamelCase(value: unknown): WitValue {
  return renamed(value, camelKey) as WitValue;
}

function camelKey(key: string): string {
  return key.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}

function camelKeys(faults: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(faults).map(([path, message]) => [camelKey(path), message]));
}

/** The same with other names for its fields. `null`, which a guest does not know, is nothing. */
function renamed(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename));
  if (value === null) return undefined;
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [rename(key), renamed(item, rename)]));
}
