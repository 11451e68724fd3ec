import { stopServices, takeForTeardown } from './integration-services.ts';

// eslint-disable-next-line import-x/no-default-export -- Jest calls the default export
export default async function teardown(): Promise<void> {
  const services = takeForTeardown();
  if (services) await stopServices(services);
}
