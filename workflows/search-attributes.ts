import {
  defineSearchAttributeKey,
  SearchAttributeType,
  TypedSearchAttributes,
  type SearchAttributePair,
} from '@temporalio/common';
import { upsertSearchAttributes } from '@temporalio/workflow';
import type { SearchAttributeName } from '../core/search-attributes.ts';

export type SearchAttributeValues = Partial<Record<SearchAttributeName, string>>;

/** Makes the running workflow findable by these values; others keep theirs. */
export function describeWorkflow(values: SearchAttributeValues): void {
  upsertSearchAttributes(pairs(values));
}

/** What a child is findable by from its start. */
export function searchable(values: SearchAttributeValues): TypedSearchAttributes {
  return new TypedSearchAttributes(pairs(values));
}

/** Of an operation on an install, as far as its input tells. */
export function installAttributes(input: {
  tenantId: string;
  extension: string;
  extensionId: string;
  requestedBy: string;
  version?: string;
  contentHash?: string;
}): SearchAttributeValues {
  const { version, contentHash } = input;
  return {
    ExtTenantId: input.tenantId,
    ExtName: input.extension,
    ExtExtensionId: input.extensionId,
    ExtRequestedBy: input.requestedBy,
    ...(version !== undefined && { ExtVersion: version }),
    ...(contentHash !== undefined && { ExtContentHash: contentHash }),
  };
}

function pairs(values: SearchAttributeValues): SearchAttributePair[] {
  return Object.entries(values).map(([name, value]) => ({
    key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
    value,
  }));
}
