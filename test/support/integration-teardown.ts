import { once } from 'node:events';
import { takeForTeardown } from './integration-services.ts';

export default async function teardown(): Promise<void> {
  const services = takeForTeardown();
  if (!services) return;
  const ended = once(services, 'exit');
  services.disconnect();
  await ended;
}
