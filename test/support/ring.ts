/** Whether tests are to try all that they can: in the long ring. The gate tries what tells most, in little time. */
export const isLong = process.env['TEST_RING'] === 'long';

/** All of the cases in the long ring; in the gate those that `tells` picks. */
export function casesOf<Case>(all: readonly Case[], tells: (one: Case) => boolean): readonly Case[] {
  return isLong ? all : all.filter(tells);
}
