import { stopDocker } from './docker.ts';

export default async function teardown(): Promise<void> {
  await stopDocker();
}
