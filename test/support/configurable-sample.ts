/** `Prefer: wait`, long enough for whatever the fakes do. */
export const WAIT = { prefer: 'wait=5' };
/** Must show up nowhere. */
export const SECRET = 'correct-horse-battery-staple';
/** A version with settings, secrets and an optional capability. */
export const MANIFEST = {
  capabilities: [
    { name: 'storage.kv', scope: { namespaces: ['notes'] } },
    { name: 'secrets.get', optional: true },
  ],
  settings: {
    type: 'object',
    properties: { greeting: { type: 'string', default: 'Hello', maxLength: 10 }, count: { type: 'integer' } },
  },
  secrets: [{ name: 'API_TOKEN', required: true }, { name: 'SALT' }],
};
