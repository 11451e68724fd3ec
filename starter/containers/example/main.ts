import { readFile } from 'node:fs/promises';
import { createApiClient } from '../../../core/api/client.ts';
import { SecretValue } from '../../../core/secret-value.ts';
import { createFetchTransport } from '../../../platform/http/fetch-transport.ts';
import { exampleAddress, publishAndInstall } from '../../first-extension.ts';

// Publishes and installs examples/hello once the platform is up, like anybody would, so that there is something to call.

const keys = JSON.parse(await readFile('/run/secrets/API_KEYS', 'utf8')) as { admin: string };
const baseUrl = process.env['GATEWAY_BASE_URL'] ?? 'http://gateway:8080';
const token = new SecretValue(keys.admin);
const call = createApiClient(createFetchTransport({ baseUrl, token, timeoutMs: 120_000 }));
await publishAndInstall(call, await exampleAddress(), await readFile('/example/hello.tar.zst'));
console.log(JSON.stringify({ level: 'info', process: 'example', msg: 'alga.hello is installed' }));
