import { z } from 'zod';
import type { Problem } from './problem.ts';

/** One route: what a request may carry and what each status answers. Requests are parsed by the server, answers by the client. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `{name}` for each member of `params`. */
  readonly path: `/${string}`;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodType;
  /** JSON, or `bytes`. */
  readonly body?: z.ZodType;
  /** By status, below 400; every other answer is a problem. */
  readonly answers: Readonly<Record<number, z.ZodType>>;
  /** Of JSON Lines: one of them. The client reads all, as an array. */
  readonly line?: z.ZodType;
  /** Of a stream: the data of each of its events. The client reads whole answers only. */
  readonly events?: z.ZodType;
  /** A problem with members of the route's own. */
  readonly problem?: z.ZodType<Problem>;
}

/** A body that is sent as it is. */
export const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
/** A 204. */
export const nothing = z.undefined();

/** What a caller of a route gives, as it goes on the wire. */
export type RequestOf<R extends Route> = (R extends {
  params: infer Params extends z.ZodType;
}
  ? { params: z.input<Params> }
  : unknown) &
  (R extends { query: infer Query extends z.ZodType } ? { query?: z.input<Query> } : unknown) &
  (R extends { body: infer Body extends z.ZodType } ? { body: z.input<Body> } : unknown);

/** What a caller of a route gets: one member per status. */
export type AnswerOf<R extends Route> = {
  [Status in keyof R['answers'] & number]: { status: Status; body: z.output<R['answers'][Status]> };
}[keyof R['answers'] & number];
