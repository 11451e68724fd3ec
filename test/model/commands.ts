import fc from 'fast-check';
import { ask, awaitRest, isUnderWay, type Admin, type Believed } from './admin.ts';
import { deedsFor, VERSIONS, type Deed, type Drawn } from './deeds.ts';

export type Command = fc.AsyncCommand<Believed, Admin>;

/** `publisher.name` of what is installed. */
export const EXTENSION = 'alga.model';
const DEEDS = deedsFor(EXTENSION);
/** Of these the first that fits is done, so that few commands do nothing. */
const CHOICES = 6;

export const drawn: fc.Arbitrary<Drawn> = fc.record({
  version: fc.constantFrom(...Object.values(VERSIONS), VERSIONS.first, VERSIONS.same),
  consent: fc.constantFrom<Drawn['consent'][]>('all', []),
  decision: fc.constantFrom('grant', 'grant', 'decline'),
  city: fc.boolean(),
  wait: fc.boolean(),
});

/** What an admin asks for next. */
const command = fc
  .record({
    choices: fc.array(fc.constantFrom(...DEEDS), { minLength: CHOICES, maxLength: CHOICES }),
    drawn,
    /** Waits until nothing runs, before: what is asked for then is seldom refused. */
    patiently: oneIn(2),
    /** Whatever the install is: it is refused, or fits by then. */
    boldly: oneIn(12),
  })
  .map(({ choices, patiently, boldly, drawn: how }): Command => {
    const fitting = ({ status, installId }: Believed): Deed | undefined =>
      boldly && installId !== undefined ? choices[0] : choices.find(({ fits }) => fits.includes(status));
    const waits = (believed: Believed): boolean => patiently && isUnderWay(believed);
    return {
      check: (believed) => waits(believed) || fitting(believed) !== undefined,
      async run(believed, admin) {
        if (waits(believed)) await awaitRest(admin, believed);
        const deed = fitting(believed);
        if (deed) await ask(admin, believed, deed, how);
      },
      toString: () => choices.map(({ kind }) => kind).join(' or '),
    };
  });

function oneIn(many: number): fc.Arbitrary<boolean> {
  return fc.integer({ min: 1, max: many }).map((one) => one === 1);
}

/** What one admin does, one after another. */
export function commandsOf(atMost: number): fc.Arbitrary<Iterable<Command>> {
  return fc.commands<Believed, Admin, false>([command], { maxCommands: atMost, size: 'max' });
}

export const [installDeed] = DEEDS;
