import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = path.resolve(import.meta.dirname, '../..');
const documents = globSync(['*.md', 'docs/**/*.md', 'examples/*/*.md'], { cwd: ROOT });

const CODE_BLOCK = /^```.*\n[\s\S]*?^```$/gm;
const LINK = /\]\(([^)\s]+)\)/g;
const CODE = /`([^`\n]+)`/g;
/** `folder/file.ts`: a name with a folder in it, and nothing that stands for something else. */
const PATH = /^[\w.@-]+(\/[\w.@-]+)+\/?$/;
const SOURCE = /\.(ts|js|md|wit)$/;
/** Made by a build or a run, so perhaps not there. */
const BUILT = /(^|\/)(dist|\.data)(\/|$)/;

/** Relative links, and names of files from the root or the document's own folder, that lead nowhere. */
function missing(document: string, text: string): string[] {
  const own = path.join(ROOT, path.dirname(document));
  const isThere = (name: string): boolean =>
    [own, ROOT].some((folder) => existsSync(path.join(folder, name)));
  const prose = text.replace(CODE_BLOCK, '');
  const links = [...prose.matchAll(LINK)]
    .map(([, target = '']) => target)
    .filter((target) => !/^\w+:/.test(target) && !leads(path.join(ROOT, document), target));
  const made = [...text.matchAll(/^```\w+ title="([^"]+)"/gm)].map(([, file]) => file);
  const names = [...prose.matchAll(CODE)]
    .map(([, name = '']) => name)
    .filter((name) => PATH.test(name) && !BUILT.test(name) && !made.includes(name))
    .filter((name) => SOURCE.test(name) || isThere(name.replace(/\/.*/, '')))
    .filter((name) => !isThere(name));
  return [...links, ...names];
}

/** Whether a relative link leads to a file, and to one of its headings if it names one. */
function leads(document: string, link: string): boolean {
  const [name = '', heading] = link.split('#');
  const target = name === '' ? document : path.join(path.dirname(document), name);
  if (!existsSync(target)) return false;
  return heading === undefined || headings(readFileSync(target, 'utf8')).includes(heading);
}

/** As GitHub names them in links. */
function headings(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}

describe('what documents point at', () => {
  it.each(documents)('%s points at what is there', (document) => {
    expect(missing(document, readFileSync(path.join(ROOT, document), 'utf8'))).toEqual([]);
  });

  // Following a guide takes minutes; whoever moved a line that one changes hears of it here.
  it.each(documents.filter((document) => document.startsWith('docs/how-to/')))(
    '%s changes what is there',
    (document) => {
      const text = readFileSync(path.join(ROOT, document), 'utf8');
      const changes = [...text.matchAll(/^```diff\n([\s\S]*?)^```$/gm)]
        .map(([, change = '']) => change)
        .join('');
      const { stderr } = spawnSync('git', ['apply', '--check', '--allow-empty'], {
        cwd: ROOT,
        input: changes,
        encoding: 'utf8',
      });
      expect(stderr).toBe('');
    },
  );

  it('is missed in a link, its heading, the name of a source file, and a name below a folder of ours', () => {
    const text = [
      '[gone](docs/gone.md) [heading](README.md#gone) [here](README.md#quick-start) [web](https://example.com/x.md)',
      '`core/gone` `gone/file.ts` `core/errors.ts` `publisher/name` `npm test`',
    ].join('\n');
    expect(missing('made-up.md', text)).toEqual([
      'docs/gone.md',
      'README.md#gone',
      'core/gone',
      'gone/file.ts',
    ]);
  });
});
