import { readFileSync } from 'node:fs';

// `docker compose run --rm keys`: shows whoever runs containers the first tenant's API keys; `keys admin` shows one alone, for a shell.

const keys = JSON.parse(readFileSync('/run/secrets/API_KEYS', 'utf8')) as Record<string, string>;
const [name] = process.argv.slice(2);
if (name === undefined) console.log(JSON.stringify(keys, null, 2));
else if (keys[name] !== undefined) console.log(keys[name]);
else {
  console.error(`no key ${name}: ${Object.keys(keys).join(', ')}`);
  process.exitCode = 1;
}
