/**
 * A turn by itself: what it stands for, what it passes on, and where those of one `Locks` stand to each other.
 */
import { describe, expect, it } from '@jest/globals';
import { Subject } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import type { Queue } from '../../../src/index.js';
import type { Holder } from '../../../src/api/ownership.js';
import { Claim } from '../../../src/engine/claim.js';
import type { ClaimState } from '../../../src/engine/claim-state.js';
import { TurnClaim } from '../../../src/engine/features/turn-claim.js';
import type { TurnOrder } from '../../../src/engine/features/turn-claim.js';
import { TurnCrowd } from '../../../src/engine/features/turn-crowd.js';
import { TurnQueue } from '../../../src/engine/features/turn-queue.js';
import type { View } from '../../../src/engine/queue/key-queue.js';
import type { KeyQueues } from '../../../src/engine/queue/key-queues.js';
import { holderOf } from '../../../src/rules/ownership.js';
import { claim } from '../../support/claims.js';
import { locksRuntimeOf } from '../../support/engines.js';
import { atFrame } from '../../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];
type Blocked = Extract<ClaimState, { status: 'blocked' }>;

const NOWHERE: TurnOrder = { join: () => undefined, leave: () => undefined };

const SPECS = [{ key: 'k', kind: 'mutex' }] as const;

const REVOCATION = { reason: 'update', within: Infinity, by: 'ops', at: new Date(0) };

/** A turn and what it was told. */
const turnOf = (order = NOWHERE, place = 1): { turn: TurnClaim; told: ClaimState[] } => {
  const told: ClaimState[] = [];
  return { turn: new TurnClaim(order, place, undefined, (state) => told.push(state)), told };
};

/** A claim on a server of its own, and what it was told. */
const claimOf = (m: Marbles): { mine: Claim; told: ClaimState[] } => {
  const told: ClaimState[] = [];
  const options = { specs: SPECS, isTry: false, shape: undefined, meta: undefined };
  return { mine: new Claim(locksRuntimeOf(m.scheduler), options, (state) => told.push(state)), told };
};

const asSeen = ({ session, token, revocation, queued, ids }: TurnClaim | Claim): object => ({
  session,
  token,
  revocation,
  queued,
  ids,
});

describe('a turn', () => {
  it('that waits beside the one that contends has no claim: no session, no token, nothing that could be gone', () => {
    const { turn, told } = turnOf();
    expect(asSeen(turn)).toEqual({
      session: undefined,
      token: undefined,
      revocation: undefined,
      queued: undefined,
      ids: [],
    });
    turn.isGone();
    expect(told).toEqual([]);
  });

  it(
    'that contends is seen as its claim, also when the server says that the claim is gone',
    marbles((m) => {
      const { turn } = turnOf();
      const { mine, told } = claimOf(m);
      mine.begin();
      mine.revocation = REVOCATION;
      turn.claim = mine;
      expect(asSeen(turn)).toEqual(asSeen(mine));
      expect(turn.ids).toHaveLength(1);
      expect([turn.session, turn.token, turn.queued]).not.toContain(undefined);
      expect(turn.revocation).toBe(REVOCATION);
      turn.isGone();
      expect(told.map(({ status }) => status)).toEqual(['first', 'lost']);
      mine.leave(false);
    }),
  );

  it('leaves its place once, and says whether it hands on and how long it keeps the key', () => {
    const left: unknown[] = [];
    const { turn } = turnOf({ join: () => undefined, leave: (...args) => left.push(args) });
    turn.leave(true, 7);
    turn.leave(false);
    expect(left).toEqual([[turn, true, 7]]);
  });

  it('that is asked to give back stands where it stood', () => {
    const { turn, told } = turnOf();
    const [first, wanted] = [{ status: 'first' }, { status: 'wanted', revocation: REVOCATION }] as const;
    turn.tell(first);
    turn.tell(wanted);
    expect(turn.state).toBe(first);
    expect(told).toEqual([first, wanted]);
  });

  const blocked = (ahead: number, ...tokens: number[]): Blocked => ({
    status: 'blocked',
    ahead,
    holders: tokens.map((token): Holder => holderOf(claim(token))),
  });

  it.each([
    ['where nothing has changed', blocked(2, 3), blocked(2, 3), false],
    ['where nobody holds, as before', blocked(2), blocked(2), false],
    ['where more are ahead', blocked(2, 3), blocked(3, 3), true],
    ['where another one holds', blocked(2, 3), blocked(2, 4), true],
    ['where one more holds', blocked(2, 3), blocked(2, 3, 4), true],
    ['where the holder is gone', blocked(2, 3), blocked(2), true],
    ['where somebody holds again', blocked(2), blocked(2, 3), true],
  ])('is told where it stands, but not twice: %s', (_, before, after, isTold) => {
    const { turn, told } = turnOf();
    turn.tellBlocked(before);
    turn.tellBlocked(after);
    expect(told).toEqual(isTold ? [before, after] : [before]);
  });

  it('is told where it stands after it was lost, though it stood there before', () => {
    const { turn, told } = turnOf();
    const lost: ClaimState = { status: 'failed', error: new Error('no') };
    for (const state of [blocked(1, 3), lost]) turn.tell(state);
    turn.tellBlocked(blocked(1, 3));
    expect(told).toEqual([blocked(1, 3), lost, blocked(1, 3)]);
  });
});

describe('the turns of one Locks', () => {
  const queue = (revision: number, ...tokens: number[]): Queue => ({
    key: 'k',
    revision: BigInt(revision),
    claims: tokens.map((token) => claim(token)),
  });

  /** A crowd that is shown these views; what it looked at, and the numbers that were told, each with its place. */
  const world = (m: Marbles) => {
    const views = new Subject<View>();
    const looked: unknown[] = [];
    const told: string[] = [];
    const queues: KeyQueues = {
      ...locksRuntimeOf(m.scheduler).queues,
      view$: (...args) => (looked.push(args), views),
    };
    const crowd = new TurnCrowd(locksRuntimeOf(m.scheduler, { queues }), 'k', () => undefined);
    const turnAt = (place: number): TurnClaim =>
      new TurnClaim(NOWHERE, place, undefined, (state) => {
        told.push(`${String(place)} ${state.status === 'blocked' ? String(state.ahead) : state.status}`);
      });
    const add = (place: number): { turn: TurnClaim; at: number } => {
      const turn = turnAt(place);
      return { turn, at: crowd.add(turn) };
    };
    const see = (view: Queue): void => views.next({ status: 'known', queue: view });
    return { crowd, add, turnAt, see, views, looked, news: () => told.splice(0) };
  };

  it(
    'stand in the order of their subscription, also who comes back; one that is not among them takes nobody along',
    marbles((m) => {
      const { crowd, add, turnAt } = world(m);
      const [five, two, nine, seven] = [add(5), add(2), add(9), add(7)];
      expect([five.at, two.at, nine.at, seven.at]).toEqual([0, 0, 2, 2]);
      crowd.delete(turnAt(9));
      const order: (TurnClaim | undefined)[] = [];
      for (let n = 0; n < 4; n += 1) {
        const { first } = crowd;
        order.push(first);
        if (first) crowd.delete(first);
      }
      expect(order).toEqual([two.turn, five.turn, seven.turn, nine.turn]);
      expect(crowd.first).toBeUndefined();
    }),
  );

  it(
    'know from the newest answer who is gone, however late an older one comes',
    marbles((m) => {
      const { crowd } = world(m);
      expect(crowd.isGone(3n)).toBe(false);
      crowd.shown(queue(0));
      expect(crowd.isGone(3n)).toBe(true);
      crowd.shown(queue(5, 3));
      expect(crowd.isGone(3n)).toBe(false);
      crowd.shown(queue(4));
      expect(crowd.isGone(3n)).toBe(false);
      crowd.shown(queue(6));
      expect(crowd.isGone(3n)).toBe(true);
    }),
  );

  it(
    'look at the queue once, from what an answer has shown, and read nothing that is known',
    marbles((m) => {
      const { crowd, add, looked } = world(m);
      crowd.watch();
      expect(looked).toEqual([]);
      add(1);
      crowd.watch(queue(5, 3));
      crowd.watch();
      expect(looked).toEqual([['k', false, queue(5, 3)]]);
      crowd.tidy();
      crowd.watch();
      expect(looked).toHaveLength(1);
    }),
  );

  it(
    'count the one whose claim is in the queue there, and those before it here',
    marbles((m) => {
      const { crowd, add, see, news } = world(m);
      add(1);
      const { turn } = add(2);
      add(3);
      const { mine } = claimOf(m);
      mine.begin();
      turn.claim = mine;
      crowd.watch();
      // The claim is not in the queue that is seen at first.
      see(queue(90, 80));
      expect(news()).toEqual(['1 1', '3 3']);
      const token = Number(mine.token);
      see(queue(91, token, 80));
      expect(news()).toEqual(['1 2', '3 3']);
      see(queue(92, token));
      expect(news()).toEqual(['1 1', '3 2']);
      mine.leave(false);
    }),
  );

  it(
    'are forgotten when the last one has left with its claim, and not before',
    marbles((m) => {
      let empties = 0;
      const queue = new TurnQueue(locksRuntimeOf(m.scheduler), 'k', () => (empties += 1));
      const [one, two] = [turnOf(queue, 1), turnOf(queue, 2)];
      one.turn.begin();
      two.turn.begin();
      two.turn.leave(false);
      expect(empties).toBe(0);
      one.turn.leave(false);
      expect(empties).toBeGreaterThan(0);
      expect(one.told.map(({ status }) => status)).toEqual(['first', 'left']);
      expect(two.told.map(({ status }) => status)).toEqual(['blocked', 'left']);
      atFrame(m, 30, () => undefined);
      m.flush();
    }),
  );
});
