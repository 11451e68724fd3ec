import { isExtensionRef, isUuid } from './ids.ts';

/** A permission that an extension names itself, and asks for at endpoints of its own. */
export interface OwnPermission {
  /** `publisher.name`. */
  extension: string;
  /** As the manifest has it. */
  permission: string;
}

/** One that a key holds: of one install, and of no other that may come after it under the same name. */
export interface HeldPermission extends OwnPermission {
  installId: string;
}

const PERMISSION = /^[a-z][a-z0-9.-]*(:[a-z][a-z0-9.-]*)*$/;

/** What `publisher.name:permission` says; undefined if the text is none. */
export function readOwnPermission(text: string): OwnPermission | undefined {
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  const [extension, permission] = [text.slice(0, colon), text.slice(colon + 1)];
  if (isUuid(extension) || !isExtensionRef(extension) || !PERMISSION.test(permission)) return undefined;
  return { extension, permission };
}

export function writeOwnPermission({ extension, permission }: OwnPermission): string {
  return `${extension}:${permission}`;
}
