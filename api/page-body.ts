interface StoredPage<Item> {
  items: Item[];
  nextCursor: string | null;
}

/** A page as a list answers it: no cursor on the last one. */
export function pageBody<Item>({ items, nextCursor }: StoredPage<Item>): {
  items: Item[];
  nextCursor?: string;
} {
  return { items, ...(nextCursor !== null && { nextCursor }) };
}
