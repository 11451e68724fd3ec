/** Temporal search attributes of our workflows, all of type Keyword. They are plain text on the server: nothing private in them. */
export const SEARCH_ATTRIBUTES = [
  'ExtTenantId',
  'ExtExtensionId',
  'ExtVersion',
  'ExtContentHash',
  'ExtPhase',
] as const;
export type SearchAttributeName = (typeof SEARCH_ATTRIBUTES)[number];
