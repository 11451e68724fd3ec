import { z } from 'zod';

/** `?limit=` and `?cursor=` of every list. */
export const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().min(1).max(512).optional(),
});

/** A list as it is answered: no cursor on the last page. */
export function listBody<Item, Shown>(
  page: { items: Item[]; nextCursor: string | null },
  show: (item: Item) => Shown,
): { items: Shown[]; nextCursor?: string } {
  return {
    items: page.items.map(show),
    ...(page.nextCursor !== null && { nextCursor: page.nextCursor }),
  };
}
