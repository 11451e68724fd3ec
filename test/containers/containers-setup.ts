import { buildImages } from '../../scripts/build-images.ts';
import { startDocker } from './docker.ts';
import { provideImages } from './stand-ins.ts';

/** Has Docker and all images on this machine. Where there can be no Docker it says so, and sets what has the tests skipped. */
export default async function setup(): Promise<void> {
  const missing = await startDocker(process.env, console.log);
  if (missing !== undefined) {
    process.env['TEST_WITHOUT_DOCKER'] = missing;
    console.log(`SKIPPED, all tests in containers: ${missing}`);
    return;
  }
  await provideImages(console.log);
  buildImages(console.log);
}
