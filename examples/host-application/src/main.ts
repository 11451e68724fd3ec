// The host application's side of the bridge, with data of its own making: docs/how-to/connect-a-host-application.md.
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { createRemoteJWKSet, jwtVerify, type JWTPayload } from 'jose';

const PORT = Number(process.env['PORT'] ?? 9100);
const GATEWAY_URL = process.env['GATEWAY_URL'] ?? 'http://127.0.0.1:8080';
/** What the gateway has as HOST_API_BASE_URL and as UI_PROXY_BASE_URL: each is the audience of its tokens. */
const API = `http://127.0.0.1:${PORT}/extensions`;
const ROUTES = `http://127.0.0.1:${PORT}/extension-routes`;

const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', GATEWAY_URL));
type Input = Record<string, unknown> & { items: { quantity: number; rate: number }[] };
type Answer = { status?: number; body: unknown };

const clientOf = (tenant: string) => ({
  client_id: 'c-1',
  client_name: `Ada of ${tenant}`,
  is_inactive: false,
});
const SERVICE = {
  service_id: 's-1',
  service_name: 'Support',
  item_kind: 'service',
  billing_method: 'hourly',
  default_rate: 99.5,
  unit_of_measure: 'hour',
  is_active: true,
};
/** By tenant and idempotency key: who asks again is answered what they were answered before. A real one is a unique column beside the invoice. */
const invoices = new Map<string, unknown>();

const functions: Record<string, (input: Input, tenant: string, key: string) => Answer> = {
  'clients/list-clients': (_input, tenant) => ({
    body: { items: [clientOf(tenant)], total_count: 1, page: 1, page_size: 25 },
  }),
  'clients/get-client': ({ client_id: id }, tenant) => ({ body: id === 'c-1' ? clientOf(tenant) : null }),
  'services/list-services': () => ({ body: { items: [SERVICE], total_count: 1, page: 1, page_size: 25 } }),
  'services/get-service': ({ service_id: id }) => ({ body: id === 's-1' ? SERVICE : null }),
  'invoicing/create-manual-invoice': ({ client_id: client, items }, tenant, key) => {
    if (client !== 'c-1') {
      const field_errors = JSON.stringify({ clientId: 'is not a client' });
      return { body: { success: false, error: 'the invoice has faults', field_errors } };
    }
    const known = invoices.get(`${tenant} ${key}`);
    if (known) return { body: known };
    const total = items.reduce((sum, { quantity, rate }) => sum + quantity * rate, 0);
    const invoice_number = `INV-${invoices.size + 1}`;
    const made = {
      success: true,
      invoice_id: `i-${invoices.size + 1}`,
      invoice_number,
      status: 'draft',
      total,
    };
    invoices.set(`${tenant} ${key}`, made);
    return { body: made };
  },
};

/** Routes that extensions may be granted by name: what they are sent and answer is between them and you. */
const routes: Record<string, (input: unknown, tenant: string) => Answer> = {
  'tickets/list': (input, tenant) => ({ body: { tenant, asked: input, tickets: ['Printer on fire'] } }),
};

/** Who asks, and that they may ask for just this. Throws if it was not the gateway. */
async function verify(
  authorization: string | undefined,
  audience: string,
  call: string,
): Promise<JWTPayload> {
  const token = authorization?.replace(/^Bearer /, '') ?? '';
  const { payload } = await jwtVerify(token, keys, {
    issuer: 'alga-gateway',
    audience,
    algorithms: ['EdDSA'],
  });
  if (payload['call'] !== call) throw new Error('the token is for another call');
  return payload;
}

async function answer(
  url: string,
  headers: NodeJS.Dict<string | string[]>,
  body: () => Promise<unknown>,
): Promise<Answer> {
  const { href } = new URL(url, API);
  const base = [API, ROUTES].find((one) => href.startsWith(`${one}/`));
  if (base === undefined) return { status: 404, body: {} };
  const call = href.slice(base.length + 1);
  const claims = await verify(String(headers['authorization']), base, call).catch(() => undefined);
  if (!claims) return { status: 401, body: {} };
  const tenant = String(claims['tenant']);
  if (base === ROUTES) return routes[call]?.(await body(), tenant) ?? { status: 404, body: {} };
  const key = String(headers['idempotency-key']);
  return functions[call]?.((await body()) as Input, tenant, key) ?? { status: 404, body: {} };
}

createServer((req, res) => {
  void answer(req.url ?? '', req.headers, () => json(req))
    .catch(() => ({ status: 400, body: {} }))
    .then(({ status = 200, body }: Answer) => {
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
}).listen(PORT, '127.0.0.1');
