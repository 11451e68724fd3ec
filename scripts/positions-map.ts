import { encode, type SourceMapSegment } from '@jridgewell/sourcemap-codec';

/** What begins where a stack can point to. */
const TOKEN = /[\p{L}\p{N}_$]+|[^\s\p{L}\p{N}_$]/gu;

/**
 * The source map of a script whose every line and column is that of its source, as stripping types leaves it: it says no more than the
 * name of the source, and stays right when the script goes by another name.
 */
export function positionsMap(script: string, source: string, file: string): string {
  const mappings = script
    .split('\n')
    .map((line, at) => [...line.matchAll(TOKEN)].map(({ index }): SourceMapSegment => [index, 0, at, index]));
  return JSON.stringify({ version: 3, file, sources: [source], names: [], mappings: encode(mappings) });
}
