import type { Issue } from '../../core/errors.ts';

/** A text file is looked at up to here; generated ones are longer, and hold their secrets no later than others. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;
/** What of a chunk is looked at again with the next one: longer than any pattern below. */
const OVERLAP_BYTES = 256;
const MAX_FINDINGS = 20;

/** What has a form that nothing else has. Each is a credential of somebody's real account or key. */
const KINDS = {
  privateKey: [
    'a private key',
    String.raw`-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----(?:\s|\\[nr])*[A-Za-z0-9+/]{32}`,
  ],
  aws: ['an AWS access key', String.raw`\b(?:AKIA|ASIA)[A-Z2-7]{16}\b`],
  github: ['a GitHub token', String.raw`\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60})`],
  gitlab: ['a GitLab token', String.raw`\bglpat-[A-Za-z0-9_-]{20}`],
  npm: ['an npm token', String.raw`\bnpm_[A-Za-z0-9]{36}\b`],
  slack: ['a Slack token', String.raw`\bxox[abprs]-[0-9]{8,}-[A-Za-z0-9-]{16,}`],
  stripe: ['a Stripe key', String.raw`\b[rs]k_live_[A-Za-z0-9]{20,}`],
  google: ['a Google API key', String.raw`\bAIza[A-Za-z0-9_-]{35}`],
} as const;
type Kind = keyof typeof KINDS;

const PATTERN = new RegExp(
  Object.entries(KINDS)
    .map(([kind, [, pattern]]) => `(?<${kind}>${pattern})`)
    .join('|'),
  'g',
);

export interface SecretScan {
  /** The next bytes of a file; files come one after the other. */
  look: (path: string, chunk: Uint8Array) => void;
  /** Where a credential seems to lie, and of what kind; never what it is. */
  findings(): Issue[];
}

/**
 * Looks for credentials that an author left in a bundle, which everybody who may download it has. Text up to 4 MiB of each file, and
 * whole files that `isWhole` names; other files that are not text are passed over.
 */
export function createSecretScan(isWhole: (path: string) => boolean): SecretScan {
  const found = new Map<string, Issue>();
  let current = { path: '', seen: 0, tail: '', isText: true };

  return {
    look(path, chunk) {
      if (path !== current.path)
        current = { path, seen: 0, tail: '', isText: isWhole(path) || !chunk.includes(0) };
      if (!current.isText || (current.seen >= MAX_TEXT_BYTES && !isWhole(path))) return;
      if (found.size >= MAX_FINDINGS) return;
      current.seen += chunk.length;
      const text =
        current.tail + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1');
      for (const { groups } of text.matchAll(PATTERN)) {
        const kind = (Object.keys(KINDS) as Kind[]).find((name) => groups?.[name] !== undefined);
        if (kind !== undefined) note(path, KINDS[kind][0]);
      }
      current.tail = text.slice(-OVERLAP_BYTES);
    },
    findings: () => [...found.values()],
  };

  function note(path: string, what: string): void {
    const message = `seems to hold ${what}; take it out and revoke it: whoever may download the bundle has it`;
    const fix = 'declare it in "secrets" and read it with secrets.get';
    found.set(`${path} ${what}`, {
      path,
      code: 'secret',
      message,
      expected: 'no credentials',
      found: what,
      fix,
    });
  }
}
