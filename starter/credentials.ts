import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SECRET_VARIABLES } from '../platform/config/environment.ts';

const SECRETS: ReadonlySet<string> = new Set(SECRET_VARIABLES);

export function isSecret(name: string): boolean {
  return SECRETS.has(name);
}

/** The same variables, each secret as `NAME_FILE` beside a file of the folder: a process's environment can be read, and lands in crash dumps. */
export function secretsInFiles(
  folder: string,
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => {
      if (!isSecret(name)) return [name, value];
      const file = path.join(folder, name);
      rmSync(`${file}.new`, { force: true }); // whoever made it, its mode would stay
      writeFileSync(`${file}.new`, `${value}\n`, { mode: 0o600 });
      renameSync(`${file}.new`, file);
      return [`${name}_FILE`, file];
    }),
  );
}
