/** The code of an error, such as ECONNREFUSED, and nothing else of it: messages hold addresses, and quote what a server sent. */
export function codeOf(err: unknown): string {
  if (typeof err !== 'object' || err === null) return 'unknown';
  if ('code' in err && typeof err.code === 'string') return err.code;
  return 'name' in err && typeof err.name === 'string' ? err.name : 'unknown';
}
