import type { ManifestInput } from './schema.ts';

/** A manifest with every field of the format, for documentation and tests. `unsupported.ts` says which are refused at publish so far. */
export const completeManifestExample: ManifestInput = {
  name: 'com.example.time-sheets',
  publisher: 'Example Software',
  version: '1.4.0',
  displayName: 'Time sheets',
  description: 'Turns logged hours into draft invoices.',
  icon: 'ui/icon.png',
  runtime: 'wasm-js@1',
  capabilities: [
    'config.read',
    { name: 'storage.kv', scope: { namespaces: ['sheets', 'drafts'] } },
    { name: 'secrets.get', scope: { names: ['BILLING_TOKEN'] } },
    {
      name: 'http.fetch',
      scope: { hosts: ['api.example.com', '*.billing.example.com:8443'] },
      reason: 'Sends approved sheets to your billing system.',
    },
    { name: 'ui.proxy', scope: { routes: ['/tickets'] }, optional: true },
    { name: 'events.subscribe', scope: { topics: ['ticket.closed'] }, optional: true },
    { name: 'scheduler.manage', optional: true, reason: 'Reminds people on Fridays.' },
  ],
  api: {
    endpoints: [
      { method: 'GET', path: '/sheets', handler: 'listSheets', retryable: true },
      { method: 'GET', path: '/sheets/:sheetId', handler: 'getSheet', permission: 'extension:read' },
      {
        method: 'POST',
        path: '/sheets/:sheetId/approve',
        handler: 'approveSheet',
        permission: 'sheets:approve',
        description: 'Approve a time sheet',
        schedulable: true,
        timeoutMs: 20_000,
        headers: ['stripe-signature'],
      },
      { method: 'GET', path: '/healthz', handler: 'health' },
    ],
  },
  ui: {
    type: 'iframe',
    entry: 'ui/index.html',
    hooks: {
      appMenu: { label: 'Time sheets', icon: 'ui/icon.png', route: '/' },
      clientPortalMenu: { label: 'My hours', route: '/mine' },
      tab: [{ slot: 'client.details', label: 'Hours', route: '/client' }],
      placeholder: [{ slot: 'ticket.sidebar', route: '/ticket' }],
    },
    routes: [
      { path: '/', title: 'Overview' },
      { path: '/mine', iframePath: 'ui/index.html', title: 'My hours' },
    ],
    csp: {
      connect: ['https://api.example.com'],
      img: ['https://images.example.com'],
      font: [],
      frame: [],
    },
  },
  settings: {
    type: 'object',
    properties: {
      currency: { type: 'string', title: 'Currency', enum: ['EUR', 'USD'], default: 'EUR' },
      roundTo: { type: 'integer', title: 'Round to minutes', minimum: 1, maximum: 60, default: 15 },
      billingUrl: { type: 'string', title: 'Billing system', format: 'uri' },
      remind: { type: 'boolean', default: true },
      teams: { type: 'array', items: { type: 'string', maxLength: 50 }, maxItems: 20 },
    },
    required: ['billingUrl'],
    additionalProperties: false,
  },
  secrets: [{ name: 'BILLING_TOKEN', description: 'Token of the billing system', required: true }],
  events: [{ topic: 'ticket.closed', handler: 'onTicketClosed' }],
  schedules: [{ cron: '0 16 * * 5', zone: 'Europe/Berlin', handler: 'remindPeople' }],
  health: '/healthz',
  limits: { timeoutMs: 15_000, memoryMb: 128, fuel: 2_000_000_000, responseBytes: 1_048_576 },
  instance: 'fresh',
  assets: ['ui/**'],
  sbom: 'sbom.spdx.json',
  entry: 'entry.wasm',
};
