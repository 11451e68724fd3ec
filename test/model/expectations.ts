import { installIn } from './admin.ts';
import type { InstallEvidence } from './evidence.ts';
import { promiseOf, type Sent } from '../storm/record.ts';

/** What an install is, and what it was before it was uninstalled. */
interface State {
  status: string;
  restores?: string;
}

/** The states that a request may lead to from another; none if it cannot have worked. */
type Step = (state: State, sent: Sent) => State[];

const SERVED = ['active', 'paused', 'disabled'];
const WAITING = ['awaiting-consent', 'awaiting-settings'];
const ENDED = ['failed', 'declined'];

const turn =
  (statuses: readonly string[], to: string): Step =>
  ({ status }) =>
    statuses.includes(status) ? [{ status: to }] : [];
/** Where an install may be once it was brought on its way. */
const onItsWay = (): State[] => ['active', 'failed', ...WAITING].map((status) => ({ status }));
/** Of what changes something else of an install that is there. */
const stay: Step = (state) => (SERVED.includes(state.status) ? [state] : []);
const settings: Step = (state, sent) =>
  state.status === 'awaiting-settings' ? [state, ...onItsWay()] : stay(state, sent);

/** What each kind of request does to the status, done or failed. */
const STEPS: Partial<Record<Sent['kind'], Step>> = {
  install: (state) => (state.status === 'none' ? onItsWay() : [state]),
  consent(state, sent) {
    const outcomes: State[] = sent.about['decision'] === 'grant' ? onItsWay() : [{ status: 'declined' }];
    if (state.status === 'awaiting-consent') return outcomes;
    // Who decides the same at the same time is told what came of it.
    if (outcomes.some(({ status }) => status === state.status)) return [state];
    return stay(state, sent); // of an upgrade
  },
  config: settings,
  secrets: settings,
  reset: stay,
  grants: stay,
  upgrade: stay,
  rollback: stay,
  disable: turn(SERVED, 'disabled'),
  enable: turn(['active', 'disabled'], 'active'),
  pause: turn(['active', 'paused'], 'paused'),
  resume: turn(['active', 'paused'], 'active'),
  uninstall(state) {
    const { status } = state;
    if (status === 'uninstalled' || ENDED.includes(status)) return [state];
    return [{ status: 'uninstalled', ...(SERVED.includes(status) && { restores: status }) }];
  },
  restore({ status, restores }) {
    if (SERVED.includes(status)) return [{ status }]; // by who asked at the same time
    if (status !== 'uninstalled' || restores === undefined) return [];
    return [{ status: restores }, { status: 'disabled' }]; // where its version does not answer any more
  },
};

/** Whether it was done, may have been, or was not. */
function outcomeOf(sent: Sent): 'done' | 'perhaps' | 'not' {
  const promised = promiseOf(sent);
  if (promised === 'done') return 'done';
  // With the install beside it: it was begun, and failed.
  if (sent.status === 422 || sent.code === 'HEALTH_CHECK_FAILED') return 'perhaps';
  return promised === 'refused' ? 'not' : 'perhaps';
}

/** What was asked about an install, and what may have made it; in the order of its beginning. */
export function sentAbout(
  { installId, tenantId }: Pick<InstallEvidence, 'installId' | 'tenantId'>,
  all: readonly Sent[],
): Sent[] {
  return all
    .filter((sent) => {
      if (sent.tenantId !== tenantId) return false;
      if (sent.kind !== 'install') return sent.about['installId'] === installId;
      const { installId: told } = installIn(sent);
      return told === installId || (told === undefined && promiseOf(sent) === 'unknown');
    })
    .toSorted((a, b) => a.at - b.at);
}

/**
 * Whether the requests of one install, in some order that their times allow, lead to a status: each that was answered as done takes
 * effect between its beginning and its answer, one of unknown outcome some time after its beginning or never.
 */
export function canLeadTo(sent: readonly Sent[], status: string): boolean {
  const acts = sent
    .filter(({ kind }) => STEPS[kind])
    .map((one) => ({ sent: one, outcome: outcomeOf(one) }))
    .filter(({ outcome }) => outcome !== 'not');
  const seen = new Set<string>();

  function search(state: State, left: typeof acts): boolean {
    const name = `${state.status}/${state.restores ?? ''}/${left.map((act) => act.sent.n).join()}`;
    if (seen.has(name)) return false;
    seen.add(name);
    const due = left.filter(({ outcome }) => outcome === 'done');
    if (due.length === 0 && state.status === status) return true;
    const firstAnswer = Math.min(...due.map((act) => act.sent.answeredAt));
    return left.some((act) => {
      if (act.sent.at > firstAnswer) return false;
      const others = left.filter((other) => other !== act);
      return (STEPS[act.sent.kind]?.(state, act.sent) ?? []).some((next) => search(next, others));
    });
  }
  return search({ status: 'none' }, acts);
}
