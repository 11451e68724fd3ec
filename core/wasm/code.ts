import { encodeI32 } from './binary.ts';
import { OP } from './instructions.ts';
import { EMPTY_BLOCK } from './types.ts';

// Code as bytes. Locals are those of functions with fewer than 128.

export const get = (local: number): number[] => [OP.localGet, local];
export const set = (local: number): number[] => [OP.localSet, local];
export const constant = (value: number): number[] => [OP.i32Const, ...encodeI32(value)];
/** As an unsigned number of 64 bits. */
export const wide = (code: number[]): number[] => [...code, OP.i64ExtendI32U];
export const when = (condition: number[], then: number[]): number[] => [
  ...condition,
  ...[OP.if, EMPTY_BLOCK, ...then, OP.end],
];
export const otherwise = (condition: number[], then: number[], not: number[]): number[] => [
  ...condition,
  ...[OP.if, EMPTY_BLOCK, ...then, OP.else, ...not, OP.end],
];
export const loop = (body: number[]): number[] => [OP.loop, EMPTY_BLOCK, ...body, OP.end];
/** To the beginning of a loop, or the end of a block, so many blocks out. */
export const branch = (out: number): number[] => [OP.br, out];
