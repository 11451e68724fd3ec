/** Temporal search attributes of our workflows, all of type Keyword. They are plain text on the server: nothing private in them. */
export const SEARCH_ATTRIBUTES = [
  'ExtTenantId',
  'ExtName', // `publisher.name`
  'ExtExtensionId',
  'ExtVersion',
  'ExtContentHash',
  'ExtPhase',
  'ExtRequestedBy', // id of a key or a user, never a name
] as const;
export type SearchAttributeName = (typeof SEARCH_ATTRIBUTES)[number];
