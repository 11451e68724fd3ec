import { execFileSync } from 'node:child_process';
import path from 'node:path';

// `npm run build:images`: the images of docker-compose.yml that are ours, each a target of the Dockerfile, and their sizes.

const ROOT = path.resolve(import.meta.dirname, '..');
const TARGETS = ['gateway', 'lifecycle-worker', 'precompile-worker', 'runner', 'setup'];

/** Named as docker-compose.yml names them with the same IMAGE_PREFIX and IMAGE_TAG. */
export function buildImages(log: (line: string) => void): void {
  const { IMAGE_PREFIX: prefix = 'alga', IMAGE_TAG: tag = 'latest' } = process.env;
  const images = TARGETS.map((target) => ({ target, image: `${prefix}/${target}:${tag}` }));
  for (const { target, image } of images) {
    const options = ['--quiet', '--target', target, '--tag', image];
    execFileSync('docker', ['build', ...options, ROOT], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  for (const { image } of images) {
    const size = execFileSync('docker', ['image', 'inspect', '--format', '{{.Size}}', image], {
      encoding: 'utf8',
    });
    log(`${image.padEnd(40)} ${String(Math.round(Number(size) / 1e6)).padStart(4)} MB`);
  }
}

if (import.meta.main) buildImages(console.log);
