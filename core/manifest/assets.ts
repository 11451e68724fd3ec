import { z } from 'zod';
import type { Issue } from '../errors.ts';

/** What of a manifest says which files of its bundle browsers may load. */
export const assetRules = z.object({
  assets: z.array(z.string()).optional(),
  ui: z.object({ entry: z.string() }).optional(),
});
export type AssetRules = z.infer<typeof assetRules>;

/** In all patterns together. Each costs a pass over every path, patterns are a stranger's, and a bundle may have 10,000 files. */
const MAX_WILDCARDS = 32;
/** Letters of all paths, times patterns and wildcards: about two seconds for the runner that unpacks the UI. */
const MAX_MATCHING = 50_000_000;
/** `**` as a whole segment; `*`; `{a,b}`; what stands for itself. */
const PIECE = /(?<=^|\/)\*\*(?:\/|$)|\*|\{[^{}]*\}|[^*{}]+/g;

/**
 * Whether a file, by its path in the bundle, is served: without `assets` all of ui/, else what a pattern matches, and the entry of versions
 * that were published before patterns were looked at. A pattern with a fault matches the file of that very name and no other.
 */
export function servedFiles({ assets, ui }: AssetRules): (path: string) => boolean {
  const isInUi = (path: string): boolean => path.startsWith('ui/');
  if (assets === undefined) return isInUi;
  const names = new Set([...assets, ...(ui === undefined ? [] : [ui.entry])]);
  const patterns = assetFaults(assets).some(({ path }) => path === 'assets')
    ? []
    : assets.filter((pattern) => patternFault(pattern) === undefined).map(compile);
  return (path) => isInUi(path) && (names.has(path) || patterns.some((matches) => matches(path)));
}

/** What keeps the patterns of a manifest from being some, each with its JSON path and the way to right it. */
export function assetFaults(assets: readonly string[]): Issue[] {
  const issue = (path: string, message: string, found: string): Issue => ({
    path,
    code: 'pattern_invalid',
    message,
    expected: 'a path in ui/ with *, ** and {a,b}, such as ui/app/*.{js,css}',
    found,
    fix: '"assets": ["ui/**"]',
  });
  const faults = assets.flatMap((pattern, at) => {
    const fault = patternFault(pattern);
    return fault === undefined ? [] : [issue(`assets[${at}]`, fault, JSON.stringify(pattern))];
  });
  const wildcards = countWildcards(assets);
  if (wildcards <= MAX_WILDCARDS) return faults;
  const many = `have ${wildcards} of * ** { and , together; at most ${MAX_WILDCARDS} are looked for, so name folders: ui/app/**`;
  return [...faults, issue('assets', many, `${wildcards} wildcards`)];
}

/** What keeps patterns from being held against the files of a bundle: too much of both. */
export function matchingFaults(assets: readonly string[], paths: readonly string[]): Issue[] {
  const letters = paths.reduce((sum, path) => sum + (path.startsWith('ui/') ? path.length : 0), 0);
  const pieces = assets.length + countWildcards(assets);
  if (letters * pieces <= MAX_MATCHING) return [];
  const message = `have ${pieces} patterns and wildcards for paths of ${letters} letters together; name folders: ui/app/**`;
  const expected = `at most ${MAX_MATCHING} of pieces times letters`;
  const found = `${pieces} pieces, ${letters} letters`;
  return [{ path: 'assets', code: 'matching_cost', message, expected, found, fix: '"assets": ["ui/**"]' }];
}

function countWildcards(assets: readonly string[]): number {
  return assets.reduce((sum, pattern) => sum + (pattern.match(/\*+|[{,]/g) ?? []).length, 0);
}

function patternFault(pattern: string): string | undefined {
  if (/[?[\]()!\\]/.test(pattern)) return 'has one of ? [ ] ( ) ! \\; use only *, ** and {a,b}';
  if (/(^|\/)\.{0,2}(\/|$)/.test(pattern)) {
    return 'has an empty segment, "." or ".."; write a plain path, and ui/folder/** for a whole folder';
  }
  if (/[{}]/.test(pattern.replace(/\{[^{}/]*\}/g, ''))) {
    return 'has a brace without its other half, within another, or around a "/"; write {a,b}, or two patterns';
  }
  if (pattern.replace(/(?<=^|\/)\*\*(?=\/|$)/g, '').includes('**')) {
    return 'has ** as a part of a name; write * there, or ** as a segment of its own';
  }
  return undefined;
}

/** 1 at each place of a path that the pattern can have come to. */
type Places = Uint8Array;
type Step = (path: string, from: Places) => Places;

/**
 * `*` stands for any part of a name, a segment `**` for any number of folders (at the end for all that is below), `{a,b}` for either;
 * all else for itself. Every place is followed at once, without backtracking: what makes regular expressions of such patterns takes
 * minutes for some (decision 0016).
 */
function compile(pattern: string): (path: string) => boolean {
  const walk = stepsOf(pattern);
  return (path) => {
    const from = new Uint8Array(path.length + 1);
    from[0] = 1;
    return walk(path, from)[path.length] === 1;
  };
}

function stepsOf(pattern: string): Step {
  const steps = (pattern.match(PIECE) ?? []).map((piece): Step => {
    if (piece === '**/') return folders;
    if (piece === '**') return rest;
    if (piece === '*') return partOfName;
    return piece.startsWith('{') ? either(piece.slice(1, -1).split(',').map(stepsOf)) : literally(piece);
  });
  return (path, from) => steps.reduce((at, step) => step(path, at), from);
}

const literally =
  (text: string): Step =>
  (path, from) => {
    const to = new Uint8Array(from.length);
    for (let at = from.indexOf(1); at >= 0; at = from.indexOf(1, at + 1)) {
      if (path.startsWith(text, at)) to[at + text.length] = 1;
    }
    return to;
  };

const either =
  (steps: readonly Step[]): Step =>
  (path, from) => {
    const to = new Uint8Array(from.length);
    for (const step of steps) {
      const way = step(path, from);
      for (let at = 0; at < to.length; at += 1) to[at] ||= way[at] ?? 0;
    }
    return to;
  };

const partOfName: Step = (path, from) => {
  const to = new Uint8Array(from.length);
  let isWithin = false;
  for (let at = 0; at < to.length; at += 1) {
    isWithin = from[at] === 1 || (isWithin && path[at - 1] !== '/');
    if (isWithin) to[at] = 1;
  }
  return to;
};

const folders: Step = (path, from) => {
  const to = from.slice();
  const begun = from.indexOf(1);
  for (let at = begun + 1; begun >= 0 && at < to.length; at += 1) if (path[at - 1] === '/') to[at] = 1;
  return to;
};

const rest: Step = (_path, from) => {
  const to = new Uint8Array(from.length);
  if (from.includes(1)) to[from.length - 1] = 1;
  return to;
};
