import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { roleFiles } from './role-files.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
/** How a file names another beside it that it starts, as a process or as a thread. */
const BESIDE = /import\.meta\.dirname, '([\w-]+\.ts)'/g;

describe('the files of a role', () => {
  it.each(['gateway', 'lifecycle-worker', 'precompile-worker', 'runner', 'setup'])(
    'of %s have what they start by its path',
    (role) => {
      const { files } = roleFiles(role);
      const started = files
        .filter((file) => file.endsWith('.ts'))
        .flatMap((file) =>
          [...readFileSync(path.join(ROOT, file), 'utf8').matchAll(BESIDE)].map(([, name = '']) =>
            path.join(path.dirname(file), name),
          ),
        );
      expect(started.filter((file) => !files.includes(file))).toEqual([]);
      if (role === 'precompile-worker') {
        const own = ['precompile-child.ts', 'tools-thread.ts'].map((name) => `platform/component/${name}`);
        expect(started).toEqual(expect.arrayContaining(own));
      }
    },
  );
});
