/**
 * Elections in a run of the simulator: who proclaims and who looks on, and what must be true of what they are told.
 * That one leads at most is the rule of all locks.
 */
import { LockError, LockNotOwnedError } from '../../src/index.js';
import type { Election, HeldLock, Leader, Lock, Locks, Queue } from '../../src/index.js';
import type { Machine } from './machine.js';
import { ELECTION, KEYS } from './schedule.js';
import type { Candidate, Task } from './schedule.js';
import type { SimServer } from './server.js';

const NAME = KEYS[ELECTION];

/** What there is to be checked, beside who leads. */
export interface ElectionAccount {
  proclaimed: number;
  /** Values that an observer was told. */
  seen: number;
}

interface Participant {
  readonly machine: Machine;
  readonly locks: Locks;
}

export interface ElectionRules {
  /** To be told of each change of a queue. */
  changed(queue: Queue): void;
  candidate(locks: Locks, one: Candidate): Lock;
  /** A candidate leads. */
  leads(locks: Locks, one: Candidate, held: HeldLock): void;
  observe(locks: Locks): void;
  start(task: Task, candidate: Candidate, client: Participant): void;
  /** Those who still see somebody lead. */
  misled(): readonly (Leader | undefined)[];
  readonly account: ElectionAccount;
}

/** One election object, and who has led by it. */
interface Known {
  readonly election: Election;
  readonly leaders: HeldLock[];
}

export function createElectionRules(server: SimServer, violated: (what: string) => void): ElectionRules {
  const account: ElectionAccount = { proclaimed: 0, seen: 0 };
  const objects = new Map<Locks, Map<number, Known>>();
  /** Who led with which value, one after another, on the server. */
  const led: string[] = [];
  /** By which claim a value was proclaimed. */
  const writtenBy = new Map<string, bigint>();
  const observers: { last: Leader | undefined; isOver: boolean }[] = [];
  let values = 0;

  const known = (locks: Locks, object: number): Known => {
    const all = objects.get(locks) ?? new Map<number, Known>();
    objects.set(locks, all);
    const one = all.get(object) ?? { election: locks.election(NAME), leaders: [] };
    all.set(object, one);
    return one;
  };

  const isThere = ({ fencingToken, owner }: HeldLock): boolean =>
    server.queueNow(NAME).claims.some((claim) => claim.token === fencingToken && claim.owner === owner);

  const proclaim = ({ election, leaders }: Known, value: string): void => {
    const { life } = server;
    const leading = leaders.filter((held) => held.isHeld());
    election.proclaim$(value).subscribe({
      next: () => {
        account.proclaimed += 1;
        const token = writtenBy.get(value);
        if (token === undefined) return violated(`${value} is said to be proclaimed, and is not`);
        const isOurs = leaders.some(({ fencingToken }) => fencingToken === token);
        if (!isOurs) violated(`${value} was written over the claim ${String(token)}, of another election object`);
      },
      error: (error: unknown) => {
        if (!(error instanceof LockError)) violated(`a proclamation got ${String(error)}`);
        if (!(error instanceof LockNotOwnedError) || server.life !== life) return;
        const refused = leading.find((held) => held.isHeld() && isThere(held));
        if (refused) violated(`${refused.owner} could not proclaim ${value}, though it leads`);
      },
    });
  };

  return {
    account,

    changed({ key, claims }) {
      if (key !== NAME) return;
      for (const { value = '', token } of claims) if (!writtenBy.has(value)) writtenBy.set(value, token);
      const [first] = claims;
      if (!first) return;
      const now = named(first.token, first.value);
      if (led.at(-1) !== now) led.push(now);
    },

    candidate: (locks, { object, value }) => known(locks, object).election.candidate(value),

    leads: (locks, { object }, held) => void known(locks, object).leaders.push(held),

    observe(locks) {
      const observer: (typeof observers)[number] = { last: undefined, isOver: false };
      observers.push(observer);
      let newest = -1;
      known(locks, 0).election.leader$.subscribe({
        next: (leader) => {
          observer.last = leader;
          if (leader.status !== 'led') return;
          account.seen += 1;
          const what = named(leader.fencingToken, leader.value);
          const at = led.lastIndexOf(what);
          if (at < 0) violated(`${what} was seen to lead, and never did`);
          if (at < newest) violated(`${what} was seen to lead after ${String(led[newest])}, which is newer`);
          newest = Math.max(newest, at);
        },
        error: (error: unknown) => violated(`leader$ failed with ${String(error)}`),
        complete: () => (observer.isOver = true),
      });
    },

    start(task, { object, value, proclaims }, { machine, locks }) {
      for (const after of proclaims) {
        const said = `${value} ${String((values += 1))}`;
        machine.whenAwake(task.at + after, () => proclaim(known(locks, object), said));
      }
    },

    misled: () => observers.flatMap(({ last, isOver }) => (isOver || last?.status === 'free' ? [] : [last])),
  };
}

const named = (token: bigint, value = ''): string => `${String(token)} with "${value}"`;
