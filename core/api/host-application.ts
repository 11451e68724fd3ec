import { z } from 'zod';
import type { Route } from './route.ts';

// Interfaces of the host application, from the runner to the gateway and on to the host application. Field names are those of wit/ in snake case
// all the way, as the host application has them.

const u32 = z.int().min(0).max(0xffff_ffff);
const id = z.string().min(1).max(256);
const day = z.iso.date('must be a day as YYYY-MM-DD');
/** A member that need not be there; a host application may say `null`. */
const optional = <Schema extends z.ZodType>(
  schema: Schema,
): z.ZodType<z.output<Schema> | undefined, z.input<Schema> | null | undefined> =>
  schema.nullish().transform((value) => value ?? undefined);

const search = z.string().max(1_000);
const paging = { page: optional(u32), page_size: optional(u32) };
const page = { total_count: u32, page: u32, page_size: u32 };
const text = z.string();

const listClientsInput = z.object({
  search: optional(search),
  include_inactive: optional(z.boolean()),
  ...paging,
});
const clientSummary = z.object({
  client_id: text,
  client_name: text,
  client_type: optional(text),
  is_inactive: z.boolean(),
  default_currency_code: optional(text),
  account_manager_id: optional(text),
  account_manager_name: optional(text),
  billing_email: optional(text),
});

const itemKind = z.enum(['service', 'product']);
const billingMethod = z.enum(['fixed', 'hourly', 'usage']);
const listServicesInput = z.object({
  search: optional(search),
  item_kind: optional(itemKind),
  is_active: optional(z.boolean()),
  billing_method: optional(billingMethod),
  ...paging,
});
const serviceSummary = z.object({
  service_id: text,
  service_name: text,
  item_kind: itemKind,
  billing_method: billingMethod,
  service_type_id: optional(text),
  service_type_name: optional(text),
  default_rate: z.number(),
  unit_of_measure: text,
  is_active: z.boolean(),
  sku: optional(text),
});

const invoiceItem = z.object({
  service_id: id,
  quantity: z.number(),
  description: z.string().max(10_000),
  rate: z.number(),
  is_discount: optional(z.boolean()),
  discount_type: optional(z.enum(['percentage', 'fixed'])),
  applies_to_item_id: optional(id),
  applies_to_service_id: optional(id),
});
const createInvoiceInput = z.object({
  client_id: id,
  items: z.array(invoiceItem).max(1_000),
  invoice_date: optional(day),
  due_date: optional(day),
  po_number: optional(z.string().max(256)),
});
const createInvoiceResult = z.object({
  success: z.boolean(),
  invoice_id: optional(text),
  invoice_number: optional(text),
  status: optional(text),
  subtotal: optional(z.number()),
  tax: optional(z.number()),
  total: optional(z.number()),
  error: optional(text),
  field_errors: optional(text),
});

export interface HostFunction {
  input: z.ZodType;
  answer: z.ZodType;
}

/** By interface and function: what each takes, and what it answers when nothing went wrong. */
export const HOST_FUNCTIONS = {
  clients: {
    'list-clients': {
      input: listClientsInput,
      answer: z.object({ items: z.array(clientSummary), ...page }),
    },
    'get-client': { input: z.object({ client_id: id }), answer: clientSummary.nullable() },
  },
  services: {
    'list-services': {
      input: listServicesInput,
      answer: z.object({ items: z.array(serviceSummary), ...page }),
    },
    'get-service': { input: z.object({ service_id: id }), answer: serviceSummary.nullable() },
  },
  invoicing: {
    'create-manual-invoice': { input: createInvoiceInput, answer: createInvoiceResult },
  },
} as const satisfies Record<string, Record<string, HostFunction>>;

/** Milliseconds that are left for an answer: from the runner to the gateway, and from there to the host application. */
export const DEADLINE_HEADER = 'x-deadline-ms';

const hostRoute = <Path extends `/${string}`, Input extends z.ZodType, Answer extends z.ZodType>(
  path: Path,
  { input, answer }: { input: Input; answer: Answer },
) =>
  ({
    method: 'POST',
    path: `/api/internal/host${path}`,
    /** `call` numbers the calls of the interface in this execution, from 1. */
    body: z.object({ call: z.int().min(1), input }),
    answers: { 200: answer },
  }) as const satisfies Route;

const { clients, services, invoicing } = HOST_FUNCTIONS;
export const listClients = hostRoute('/clients/list-clients', clients['list-clients']);
export const getClient = hostRoute('/clients/get-client', clients['get-client']);
export const listServices = hostRoute('/services/list-services', services['list-services']);
export const getService = hostRoute('/services/get-service', services['get-service']);
export const createManualInvoice = hostRoute(
  '/invoicing/create-manual-invoice',
  invoicing['create-manual-invoice'],
);

/** The payload and the answer are the bytes of frames; a call without a payload is JSON. */
export const callHostRoute = {
  method: 'POST',
  path: '/api/internal/host/ui-proxy/call-route',
  body: z.object({ route: z.string() }),
  answers: { 200: z.object({}) },
} satisfies Route;

export const UI_PROXY_LIMITS = { payloadBytes: 256 * 1024, answerBytes: 1024 * 1024 } as const;
