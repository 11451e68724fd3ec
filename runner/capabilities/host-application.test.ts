import { describe, expect, it } from '@jest/globals';
import type { WitValue } from '../engine/engine.ts';
import type { CallContext, Capability, CapabilityDeps, HostApiAnswer } from './capability.ts';
import { clientsCapability, invoicingCapability, servicesCapability } from './host-application.ts';

function setup(capability: Capability, answer: HostApiAnswer) {
  const asked: { path: string; body: unknown }[] = [];
  const told: string[] = [];
  const call: Partial<CallContext> = {
    denied: (name) => told.push(`denied ${name}`),
    explain: (line) => told.push(line),
  };
  const hostApi: CapabilityDeps['hostApi'] = {
    call: (path, body) => {
      asked.push({ path, body });
      return Promise.resolve(answer);
    },
  };
  const bound = capability.bind?.(call as CallContext, {}, { hostApi } as CapabilityDeps) ?? {};
  const host = async (name: string, ...args: WitValue[]) => Object.values(bound)[0]?.[name]?.(args);
  return { host, asked, told };
}

describe('clients and services', () => {
  it('are asked for and answered in the spelling of each side', async () => {
    const page = { total_count: 1, page: 1, page_size: 25 };
    const client = { client_id: 'c', client_name: 'Ada', is_inactive: false, billing_email: null };
    const clients = setup(clientsCapability, { body: { items: [client], ...page, more: 'unknown' } });
    const input = { search: 'Ada', includeInactive: true, page: undefined, pageSize: 25 };
    expect(await clients.host('list-clients', input)).toEqual({
      ok: {
        items: [{ clientId: 'c', clientName: 'Ada', isInactive: false, billingEmail: undefined }],
        totalCount: 1,
        page: 1,
        pageSize: 25,
      },
    });
    expect(clients.asked).toEqual([
      {
        path: 'clients/list-clients',
        body: { call: 1, input: { search: 'Ada', include_inactive: true, page_size: 25 } },
      },
    ]);
    const service = {
      service_id: 's',
      service_name: 'Support',
      item_kind: 'service',
      billing_method: 'hourly',
      default_rate: 99.5,
      unit_of_measure: 'hour',
      is_active: true,
    };
    const services = setup(servicesCapability, { body: service });
    expect(await services.host('get-service', 's')).toMatchObject({
      ok: { serviceId: 's', defaultRate: 99.5 },
    });
    expect(services.asked).toEqual([
      { path: 'services/get-service', body: { call: 1, input: { service_id: 's' } } },
    ]);
  });

  it('that there are none of are nothing', async () => {
    expect(await setup(clientsCapability, { body: null }).host('get-client', 'none')).toEqual({
      ok: undefined,
    });
  });

  it.each([
    ['HOST_INPUT_REFUSED', 'invalid-input'],
    ['BODY_TOO_LARGE', 'invalid-input'],
    ['CAPABILITY_NOT_GRANTED', 'not-allowed'],
    ['EXECUTION_ENDED', 'not-allowed'],
    ['HOST_APPLICATION_MISSING', 'not-allowed'],
    ['HOST_APPLICATION_REFUSED', 'not-allowed'],
    ['HOST_ROUTE_MISSING', 'internal'],
    ['HOST_APPLICATION_UNAVAILABLE', 'internal'],
    ['HOST_APPLICATION_FAILED', 'internal'],
    ['CONCURRENCY_LIMITED', 'internal'],
    ['GATEWAY_UNAVAILABLE', 'internal'],
  ])('answer %s of the gateway as %s', async (code, err) => {
    for (const [capability, name] of [
      [clientsCapability, 'list-clients'],
      [servicesCapability, 'list-services'],
    ] as const) {
      expect(await setup(capability, { code }).host(name, {})).toEqual({ err });
    }
  });

  it('are not asked for with what no host application can be sent', async () => {
    const { host, asked } = setup(clientsCapability, { body: null });
    expect(await host('get-client', '')).toEqual({ err: 'invalid-input' });
    expect(await host('list-clients', { search: 'x'.repeat(1_001) })).toEqual({ err: 'invalid-input' });
    expect(asked).toEqual([]);
  });

  it('have the log say why there are none', async () => {
    const told = async (code: string) => {
      const bound = setup(clientsCapability, { code });
      await bound.host('list-clients', {});
      return bound.told;
    };
    expect(await told('CAPABILITY_NOT_GRANTED')).toEqual(['denied client.read']);
    expect(await told('HOST_APPLICATION_MISSING')).toEqual([expect.stringContaining('HOST_API_BASE_URL')]);
    expect(await told('HOST_APPLICATION_UNAVAILABLE')).toEqual([
      'clients/list-clients failed: the host application could not be reached',
    ]);
  });
});

describe('an invoice', () => {
  const item = { serviceId: 's', quantity: 1.5, description: 'Work', rate: 100 };
  const input = { clientId: 'c', items: [item], invoiceDate: '2026-11-29' };

  it('is created once for each call, and calls are numbered', async () => {
    const body = { success: true, invoice_id: 'i', invoice_number: 'INV-1', total: 150 };
    const { host, asked } = setup(invoicingCapability, { body });
    const created = { success: true, invoiceId: 'i', invoiceNumber: 'INV-1', total: 150 };
    expect(await host('create-manual-invoice', input)).toMatchObject({ ok: created });
    await host('create-manual-invoice', input);
    const sent = {
      client_id: 'c',
      items: [{ service_id: 's', quantity: 1.5, description: 'Work', rate: 100 }],
      invoice_date: '2026-11-29',
    };
    expect(asked.map(({ body }) => body)).toEqual([
      { call: 1, input: sent },
      { call: 2, input: sent },
    ]);
  });

  it.each([
    [{ ...input, invoiceDate: '29.11.2026' }, ['invoiceDate']],
    [
      { ...input, items: [{ ...item, quantity: Number.NaN, rate: Infinity }] },
      ['items[0].quantity', 'items[0].rate'],
    ],
  ])('is not asked for with faults, which are told by field', async (faulty, fields) => {
    const { host, asked } = setup(invoicingCapability, { body: {} });
    const reply = (await host('create-manual-invoice', faulty)) as { ok: { fieldErrors: string } };
    expect(reply).toMatchObject({ ok: { success: false, error: 'the input is not valid' } });
    expect(Object.keys(JSON.parse(reply.ok.fieldErrors) as object)).toEqual(fields);
    expect(asked).toEqual([]);
  });

  it.each([
    ['CAPABILITY_NOT_GRANTED', 'the capability cap:invoice.manual.create is not granted'],
    ['HOST_APPLICATION_MISSING', 'this platform is connected to no host application'],
    ['EXECUTION_ENDED', 'the execution has ended; no invoice was created'],
    ['HOST_APPLICATION_UNAVAILABLE', 'the host application could not be reached; no invoice was created'],
    ['HOST_INPUT_REFUSED', 'the host application does not take the input; no invoice was created'],
    ['BODY_TOO_LARGE', 'the input is too large; no invoice was created'],
    [
      'CONCURRENCY_LIMITED',
      'too many calls of this tenant wait for the host application; no invoice was created',
    ],
    [
      'HOST_APPLICATION_FAILED',
      'the host application did not answer as it should; the invoice may have been created',
    ],
    ['GATEWAY_UNAVAILABLE', 'the answer was lost; the invoice may have been created'],
  ])('that was not created says so, and whether that is certain: %s', async (code, error) => {
    const { host } = setup(invoicingCapability, { code });
    expect(await host('create-manual-invoice', input)).toEqual({ ok: { success: false, error } });
  });
});
