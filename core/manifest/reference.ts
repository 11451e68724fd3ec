import { CAPABILITY_NAMES, capabilityEntry } from '../capabilities.ts';
import { scopeKey } from '../capability-scope.ts';
import { completeManifestExample } from './example.ts';
import { manifestJsonSchema, type JsonSchema } from './json-schema.ts';

/** The reference page of manifests in Markdown, made of their one definition. */
export function manifestReference(): string {
  const lines = [
    '# Manifest reference',
    '',
    'Made of `core/manifest` by `npm run manifest-reference`; the gateway serves the same as JSON Schema under `/api/manifest.schema.json`.',
    '',
    '## Fields',
    '',
    '| field | what it may be | default | meaning |',
    '| --- | --- | --- | --- |',
    ...rowsOf(manifestJsonSchema(), ''),
    '',
    '## Capabilities',
    '',
    '| name | narrowed by | what it allows |',
    '| --- | --- | --- |',
    ...CAPABILITY_NAMES.map((name) => {
      const { summary, always, provided } = capabilityEntry(name);
      const note = always ? ' (every extension has it)' : provided ? '' : ' (not provided yet)';
      const key = scopeKey(name);
      return `| \`${name}\` | ${key === undefined ? '' : `\`${key}\``} | ${cell(summary)}${note} |`;
    }),
    '',
    '## Every field',
    '',
    '```json',
    JSON.stringify(completeManifestExample, null, 2),
    '```',
  ];
  return `${lines.join('\n')}\n`;
}

function rowsOf(schema: JsonSchema, path: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    if (typeof value === 'boolean') return [];
    const at = path === '' ? name : `${path}.${name}`;
    const isRequired = schema.required?.includes(name) === true;
    const inner = [value, ...(value.anyOf ?? []), ...itemsOf(value)].flatMap((part) =>
      typeof part === 'boolean' ? [] : [part, ...itemsOf(part)],
    );
    const nested = [...new Set(inner)].flatMap((part) =>
      rowsOf(part, part === value ? at : `${at}${value.type === 'array' ? '[]' : ''}`),
    );
    return [rowOf(at, value, isRequired), ...new Set(nested)];
  });
}

function itemsOf({ items }: JsonSchema): JsonSchema[] {
  if (items === undefined || typeof items === 'boolean' || Array.isArray(items)) return [];
  return [items, ...(items.anyOf ?? []).filter((part) => typeof part !== 'boolean')];
}

function rowOf(at: string, value: JsonSchema, isRequired: boolean): string {
  const fallback = value.default === undefined ? '' : `\`${JSON.stringify(value.default)}\``;
  const given = isRequired ? '**required**' : fallback;
  return `| \`${at}\` | ${cell(kindOf(value))} | ${given} | ${cell(value.description ?? '')} |`;
}

function kindOf(value: JsonSchema): string {
  if (value.const !== undefined) return `\`${JSON.stringify(value.const)}\``;
  if (value.enum) {
    const shown = value.enum.filter((one) => typeof one !== 'string' || !one.startsWith('cap:'));
    return shown.map((one) => `\`${JSON.stringify(one)}\``).join(' ');
  }
  if (value.anyOf) {
    return value.anyOf.map((part) => (typeof part === 'boolean' ? '' : kindOf(part))).join(' or ');
  }
  return [value.type ?? 'anything', ...boundsOf(value)].join(', ');
}

function boundsOf({ minimum, maximum, minLength, maxLength, maxItems }: JsonSchema): string[] {
  const bound = (what: string, value: number | undefined): string[] =>
    value === undefined || Math.abs(value) === Number.MAX_SAFE_INTEGER ? [] : [`${what} ${value}`];
  return [
    ...bound('from', minimum),
    ...bound('to', maximum),
    ...bound('at least characters:', minLength),
    ...bound('at most characters:', maxLength),
    ...bound('at most items:', maxItems),
  ];
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
