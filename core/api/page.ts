import { z } from 'zod';

/** `?limit=` and `?cursor=` of every list. */
export const listQuery = z.strictObject({
  limit: z.coerce.number<number | string>().int().min(1).max(200).default(50),
  cursor: z.string().min(1).max(512).optional(),
});

/** One page of a list; the last has no cursor. */
export function pageOf<Item extends z.ZodType>(
  item: Item,
): z.ZodObject<{ items: z.ZodArray<Item>; nextCursor: z.ZodOptional<z.ZodString> }> {
  return z.object({ items: z.array(item), nextCursor: z.string().optional() });
}
