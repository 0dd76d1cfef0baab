/**
 * A contender in each phase of its life: what it makes of each state of its claim, and of an end from outside. The claim
 * is played by hand, so that each may be told in each phase.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, Observable, Subject, VirtualTimeScheduler, finalize } from 'rxjs';
import { checkedAcquireOptions } from '../../src/api/options.js';
import { settled } from '../../src/backend/settled.js';
import { BackendError, LockError, LockLostError } from '../../src/index.js';
import type { ContendOptions, HeldLock, Holder, LockEvent, LockState, Revocation } from '../../src/index.js';
import { contend } from '../../src/engine/contender.js';
import type { ClaimState, OnClaimState } from '../../src/engine/claim-state.js';
import { createContenders } from '../../src/engine/contenders.js';
import type { Exchangeable } from '../../src/engine/contenders.js';
import type { ContendingClaim } from '../../src/engine/contending-claim.js';
import type { LocksRuntime } from '../../src/engine/locks-runtime.js';
import { ClaimLost } from '../../src/engine/session.js';
import type { Session } from '../../src/engine/session.js';
import { LockTarget } from '../../src/engine/target.js';
import { holderOf } from '../../src/rules/ownership.js';
import { timeOf } from '../../src/time/clock.js';
import { claim } from '../support/claims.js';
import { locksRuntimeOf } from '../support/engines.js';
import { fateOf } from '../support/passing.js';

/** It ends by itself at 100. */
const sessionOf = (isAlive: () => boolean): Session => ({
  lease: { id: 'lease', ttl: 100, owner: 'me', key: undefined },
  timing: { ttl: 100, margin: 0, renewEvery: 50, attempt: 2, clamped: [] },
  validUntil: () => 100,
  isAlive,
  renewals: () => 0,
  renewed$: NEVER,
  gone: () => undefined,
  expired: () => undefined,
});

class PlayedClaim implements ContendingClaim {
  state: ClaimState | undefined;
  token: bigint | undefined = 7n;
  revocation: Revocation | undefined;
  session: Session | undefined;
  onLeave = (): void => undefined;
  readonly queued = undefined;
  readonly ids: readonly string[] = [];
  /** How it was told to leave: whether it hands off, and until when the key stays taken. */
  left: readonly [boolean, number] | undefined;
  isAlive = true;

  constructor(
    public listener: OnClaimState,
    readonly shape: string | undefined,
    readonly tellOf: (what: string) => void,
  ) {
    this.session = sessionOf(() => this.isAlive);
  }

  begin(): void {
    this.tellOf('begins');
  }

  isGone(): void {
    this.tellOf('is gone');
  }

  leave(handOff: boolean, keepUntil = 0): void {
    if (this.left) return;
    this.left = [handOff, keepUntil];
    this.tellOf('leaves');
    this.onLeave();
  }

  tell(state: ClaimState): void {
    this.state = state;
    this.listener(state);
  }
}

class PlayedTarget extends LockTarget {
  readonly claims: PlayedClaim[] = [];
  readonly told: string[];

  constructor(runtime: LocksRuntime, told: string[]) {
    super(runtime, [{ key: 'k', kind: 'mutex', permits: undefined }]);
    this.told = told;
  }

  override claim(_: unknown, shape: string | undefined, listener: OnClaimState): ContendingClaim {
    const made = new PlayedClaim(listener, shape, (what) => this.told.push(what));
    this.claims.push(made);
    return made;
  }
}

/** Of contenders whose claims may not be exchanged, as on a server with one slot for each key. */
class SlotTarget extends PlayedTarget {
  override shape(): undefined {
    return undefined;
  }
}

/** The time passes when it is told to; `told` is all that is said, in its order. */
const stage = (make: typeof PlayedTarget | typeof SlotTarget = PlayedTarget) => {
  const scheduler = new VirtualTimeScheduler(undefined, 0);
  const told: string[] = [];
  const events: LockEvent[] = [];
  let timers = 0;
  let everSet = 0;
  let isClosing = false;
  const machine = timeOf({ scheduler });
  const counted = (ms: number): Observable<0> =>
    new Observable((subscriber) => {
      timers += 1;
      everSet += 1;
      return machine
        .after(ms)
        .pipe(finalize(() => (timers -= 1)))
        .subscribe(subscriber);
    });
  const time = { ...machine, after: counted };
  const contenders = createContenders(time);
  const waiting = new Set<Exchangeable>();
  const { order } = contenders;
  const runtime = locksRuntimeOf(scheduler, {
    time,
    isClosing: () => isClosing,
    contenders: {
      ...contenders,
      order: {
        ...order,
        join(shape, one) {
          waiting.add(one);
          order.join(shape, one);
        },
        leave(shape, one) {
          waiting.delete(one);
          order.leave(shape, one);
        },
      },
    },
    report: (event) => {
      events.push(event);
      told.push(event.type);
    },
  });
  const target = new make(runtime, told);
  const begin = (options: ContendOptions = {}) => {
    const states: LockState[] = [];
    const errors: unknown[] = [];
    const seen: string[] = [];
    const say = (what: string): void => void (told.push(what), seen.push(what));
    const states$ = contend(runtime, target, checkedAcquireOptions(options));
    const subscription = states$.subscribe({
      next(state) {
        states.push(state);
        say(state.status);
      },
      error(error: unknown) {
        errors.push(error);
        say(`# ${error instanceof LockError ? error.code : String(error)}`);
      },
      complete: () => say('|'),
    });
    const made = target.claims.at(-1);
    if (!made) throw new Error('it has made no claim');
    const held = (): HeldLock => {
      const last = states.at(-1);
      if (last?.status !== 'held') throw new Error('it does not hold');
      return last.held;
    };
    return { claim: made, states, errors, seen, held, leave: () => subscription.unsubscribe() };
  };
  return {
    told,
    events,
    begin,
    claims: target.claims,
    contenders: runtime.contenders,
    waiting,
    timers: () => timers,
    everSet: () => everSet,
    close: () => (isClosing = true),
    reports: (type: LockEvent['type']) => events.filter((event) => event.type === type),
    pass(ms: number) {
      scheduler.maxFrames += ms;
      scheduler.schedule(() => undefined, scheduler.maxFrames - scheduler.now());
      scheduler.flush();
    },
    /** All that is said meanwhile. */
    saidBy(work: () => void) {
      const before = told.length;
      work();
      return told.slice(before);
    },
  };
};

type Stage = ReturnType<typeof stage>;
type Begun = ReturnType<Stage['begin']>;

const other: Holder = holderOf(claim(3, { owner: 'other' }));
const revocation: Revocation = { reason: 'deploy', within: Infinity };
const silent = new BackendError('silent', { retryable: true });

const STATES = {
  blocked: { status: 'blocked', ahead: 1, holders: [other] },
  first: { status: 'first' },
  refused: { status: 'refused', holders: [other] },
  wanted: { status: 'wanted', revocation },
  lost: { status: 'lost', loss: new ClaimLost('deleted') },
  failed: { status: 'failed', error: silent },
  left: { status: 'left' },
} as const satisfies Record<ClaimState['status'], ClaimState>;

type Told = Partial<Record<keyof typeof STATES, readonly string[]>>;

/** How each phase is reached, and what is said in it at each state of the claim, and within a millisecond. */
const PHASES: Readonly<Record<string, { reach: (begun: Begun, on: Stage) => void; told: Told }>> = {
  contending: {
    reach: () => undefined,
    told: {
      blocked: ['queued', 'waiting'],
      first: ['acquired', 'held'],
      // With several keys, a request for one can come early.
      wanted: [],
      // The user is told once the claim has left.
      refused: ['leaves'],
      lost: ['requeued', 'leaves', 'begins'],
      failed: ['leaves', 'begins'],
      left: [],
    },
  },
  waiting: {
    reach: ({ claim: own }) => own.tell({ ...STATES.blocked, ahead: 2 }),
    told: {
      blocked: ['waiting'],
      first: ['acquired', 'held'],
      wanted: [],
      refused: ['leaves'],
      lost: ['requeued', 'leaves', 'begins'],
      failed: ['requeued', 'leaves', 'begins'],
      left: [],
    },
  },
  'paused after a failure': {
    reach: ({ claim: own }) => own.tell(STATES.failed),
    told: {
      blocked: ['begins'],
      first: ['begins'],
      refused: ['begins'],
      wanted: ['begins'],
      lost: ['begins'],
      failed: ['begins'],
      left: ['begins'],
    },
  },
  'in another round': {
    reach: ({ claim: own }, on) => {
      own.tell(STATES.failed);
      on.pass(1);
    },
    told: { blocked: [], first: [], refused: [], wanted: [], lost: [], failed: [], left: [] },
  },
  refused: {
    reach: ({ claim: own }) => own.tell(STATES.refused),
    told: {
      blocked: [],
      first: [],
      wanted: [],
      lost: ['withdrawn', '# ALREADY_LOCKED'],
      failed: [],
      left: ['withdrawn', '# ALREADY_LOCKED'],
    },
  },
  held: {
    reach: ({ claim: own }) => own.tell(STATES.first),
    told: { blocked: [], first: [], wanted: ['revocation'], lost: ['lost', '# LOCK_LOST', 'leaves'], left: [] },
  },
  releasing: {
    reach({ claim: own, held }) {
      own.tell(STATES.first);
      void held().release();
    },
    told: { blocked: [], first: [], wanted: [], lost: ['|'], left: ['|'] },
  },
  'left by its subscriber': {
    reach: ({ leave }) => leave(),
    told: { blocked: [], first: [], refused: [], wanted: [], lost: [], failed: [], left: [] },
  },
};

describe.each(Object.entries(PHASES))('a contender that is %s', (_, { reach, told }) => {
  it.each(Object.entries(told))('whose claim says "%s" is told what belongs to its phase', (status, expected) => {
    const on = stage();
    const begun = on.begin({ wait: 50 });
    reach(begun, on);
    const said = on.saidBy(() => {
      begun.claim.tell(STATES[status as keyof typeof STATES]);
      on.pass(1);
    });
    expect(said).toEqual(expected);
  });
});

describe('a contender that tries once', () => {
  it('neither takes a place among those that wait, nor gives its claim to one of them', () => {
    const on = stage();
    const older = on.begin();
    const trying = on.begin({ wait: 0 });
    expect(trying.claim.shape).toBeUndefined();
    expect(on.waiting.size).toBe(1);
    trying.claim.tell(STATES.first);
    expect(trying.seen).toEqual(['held']);
    expect(older.seen).toEqual([]);
  });

  it('is refused by whoever is in its way, also where its claim came into the queue', () => {
    const on = stage();
    const { claim: own, errors } = on.begin({ wait: 0 });
    expect(on.saidBy(() => own.tell(STATES.blocked))).toEqual(['leaves']);
    own.tell(STATES.left);
    expect(errors).toEqual([
      expect.objectContaining({
        code: 'ALREADY_LOCKED',
        key: 'k',
        holders: [other],
        message: '"k" is held by other. Give a longer `wait` to queue for it.',
      }),
    ]);
  });

  it('is told of the refusal after the time of one attempt at the latest, and nothing is left to be timed', () => {
    const on = stage();
    const { claim: own } = on.begin({ wait: 0 });
    own.tell(STATES.refused);
    expect(own.left).toEqual([false, 0]);
    expect(on.saidBy(() => on.pass(1))).toEqual([]);
    expect(on.saidBy(() => on.pass(2))).toEqual(['withdrawn', '# ALREADY_LOCKED']);
    expect(on.saidBy(() => own.tell(STATES.left))).toEqual([]);
    const sooner = on.begin({ wait: 0 });
    sooner.claim.tell(STATES.refused);
    sooner.claim.tell(STATES.left);
    expect(sooner.seen).toEqual(['# ALREADY_LOCKED']);
    expect(on.timers()).toBe(0);
  });

  it('reports what it was refused for, also if its subscriber leaves before it is told', () => {
    const on = stage();
    const { claim: own, leave, seen } = on.begin({ wait: 0 });
    own.tell(STATES.refused);
    leave();
    expect(seen).toEqual([]);
    expect(on.events).toEqual([
      expect.objectContaining({
        type: 'withdrawn',
        reason: 'busy',
        cause: expect.objectContaining({ code: 'ALREADY_LOCKED' }),
      }),
    ]);
    expect(on.timers()).toBe(0);
  });
});

describe('contenders that wait for the same', () => {
  it('are served in their order: the older takes the claim that is first, the younger waits on with the other', () => {
    const on = stage();
    const [older, younger] = [on.begin(), on.begin()];
    older.claim.tell({ ...STATES.blocked, ahead: 2 });
    younger.claim.tell({ ...STATES.blocked, ahead: 1 });
    younger.claim.tell(STATES.first);
    expect(older.seen).toEqual(['waiting', 'held']);
    expect(younger.states).toEqual([
      { status: 'waiting', key: 'k', holders: [other], ahead: 1 },
      { status: 'waiting', key: 'k', holders: [other], ahead: 2 },
    ]);
    older.claim.tell(STATES.first);
    expect(younger.seen).toEqual(['waiting', 'waiting', 'held']);
    older.leave();
    expect([older.claim.left, younger.claim.left]).toEqual([undefined, [false, 0]]);
  });

  it('say nothing of a place that the exchanged claim does not have yet', () => {
    const on = stage();
    const [older, younger] = [on.begin(), on.begin()];
    younger.claim.tell(STATES.first);
    expect(older.seen).toEqual(['held']);
    expect(younger.seen).toEqual([]);
  });

  it('do not wait for an older one that pauses at that moment', () => {
    const on = stage();
    const [older, younger] = [on.begin({ wait: 50 }), on.begin()];
    older.claim.tell(STATES.failed);
    younger.claim.tell(STATES.first);
    expect(older.seen).toEqual([]);
    expect(younger.seen).toEqual(['held']);
  });

  it.each<[string, (begun: Begun) => void]>([
    ['holds', ({ claim: own }) => own.tell(STATES.first)],
    ['was refused', ({ claim: own }) => own.tell(STATES.refused)],
    ['was left', ({ leave }) => leave()],
  ])('do not count one that %s, nor does it take the claim of another', (_, end) => {
    const on = stage();
    const begun = on.begin();
    const [waits] = on.waiting;
    expect(waits?.waitsWith).toBe(begun.claim);
    end(begun);
    expect(on.waiting.size).toBe(0);
    expect(waits?.waitsWith).toBeUndefined();
    const offered = on.begin().claim;
    const listener = offered.listener;
    waits?.exchanged(offered);
    expect(offered.listener).toBe(listener);
    begun.leave();
    expect(begun.claim.left).toEqual([false, 0]);
  });
});

describe('a contender whose turn has come', () => {
  it.each<[string, (own: PlayedClaim) => void]>([
    ['a token', (own) => (own.token = undefined)],
    ['a session', (own) => (own.session = undefined)],
  ])('does not hold without %s', (_, take) => {
    const on = stage();
    const { claim: own, seen } = on.begin();
    take(own);
    own.tell(STATES.first);
    expect(seen).toEqual([]);
  });

  it('does not hold any more while its Locks is being closed', () => {
    const on = stage();
    const { claim: own } = on.begin();
    own.tell(STATES.blocked);
    on.close();
    expect(on.saidBy(() => own.tell(STATES.first))).toEqual(['withdrawn', '# LOCKS_CLOSED', 'leaves']);
  });

  it('is asked at once for a lock that was wanted before it held', () => {
    const on = stage();
    const { claim: own, held } = on.begin();
    own.revocation = revocation;
    own.tell(STATES.wanted);
    expect(on.saidBy(() => own.tell(STATES.first))).toEqual(['acquired', 'held', 'revocation']);
    const asked: unknown[] = [];
    held().revocation$.subscribe((one) => asked.push(one));
    expect(asked).toEqual([revocation]);
    expect(on.reports('revocation')).toEqual([
      {
        type: 'revocation',
        key: 'k',
        kind: 'mutex',
        owner: expect.any(String),
        fencingToken: 7n,
        revocation,
      },
    ]);
  });

  it('needs no timer, unless it may hold at most for so long', () => {
    const on = stage();
    on.begin().claim.tell(STATES.first);
    expect(on.timers()).toBe(0);
    const limited = on.begin({ atMost: 30 });
    limited.claim.tell(STATES.first);
    expect(on.timers()).toBe(1);
    limited.leave();
    expect(on.timers()).toBe(0);
  });

  it('settles with those that handed off to it', () => {
    const on = stage();
    const before = new Subject<never>();
    const { claim: own, held } = on.begin();
    own.tell({ status: 'first', settled$: before });
    let isSettled = false;
    settled(held()).subscribe({ complete: () => (isSettled = true) });
    expect(isSettled).toBe(false);
    before.complete();
    expect(isSettled).toBe(true);
  });
});

describe('a contender that fails', () => {
  it.each([
    ['waits for ever and was never queued', {}, silent, false],
    ['waits for ever and was queued', {}, silent, true],
    ['tries once', { wait: 0 }, silent, false],
    ['waits for so long', { wait: 50 }, silent, false],
    ['waits for so long, where it would be in vain', { wait: 50 }, new BackendError('no', { retryable: false }), false],
    ['waits for so long, by no error of ours', { wait: 50 }, 'boom', false],
  ])('and %s tries again only if that may help', (_, options, error, isQueued) => {
    const on = stage();
    const { claim: own, errors } = on.begin(options);
    if (isQueued) own.tell(STATES.blocked);
    own.tell({ status: 'failed', error });
    on.pass(1);
    const goesOn = error === silent && ('wait' in options ? options.wait > 0 : isQueued);
    expect(on.claims).toHaveLength(goesOn ? 2 : 1);
    expect(errors).toEqual(goesOn ? [] : [error]);
    // Told only of a place that it had.
    expect(on.reports('requeued')).toEqual(
      isQueued ? [{ type: 'requeued', key: 'k', kind: 'mutex', owner: expect.any(String), cause: silent }] : [],
    );
    expect(own.left).toEqual([false, 0]);
  });

  it.each([
    ['pauses before the next round', PlayedTarget, true, 1],
    ['joins the next session at once where its own has ended', PlayedTarget, false, 2],
    ['pauses where each claim has a session of its own', SlotTarget, false, 1],
    ['pauses where each claim has a session of its own, which lives', SlotTarget, true, 1],
  ])('%s', (_, target, isAlive, claims) => {
    const on = stage(target);
    const { claim: own } = on.begin({ wait: 50 });
    own.tell(STATES.blocked);
    own.isAlive = isAlive;
    own.tell(STATES.lost);
    expect(on.claims).toHaveLength(claims);
    on.pass(1);
    expect(on.claims).toHaveLength(2);
    expect(on.timers()).toBe(1);
  });

  it('joins the next session at once where it had none yet', () => {
    const on = stage();
    const { claim: own } = on.begin({ wait: 50 });
    own.session = undefined;
    own.tell(STATES.failed);
    expect(on.claims).toHaveLength(2);
  });

  it('does not contend again if it was left meanwhile', () => {
    const on = stage();
    const begun = on.begin({ wait: 50 });
    begun.claim.onLeave = begun.leave;
    begun.claim.isAlive = false;
    begun.claim.tell(STATES.lost);
    on.pass(10);
    expect(on.claims).toHaveLength(1);
    expect(on.timers()).toBe(0);
  });

  it('with the lock in its hands ends it, with an error in any case', () => {
    const on = stage();
    const { claim: own, held, errors } = on.begin();
    own.tell(STATES.first);
    const { signal } = held();
    own.tell({ status: 'failed', error: 'boom' });
    expect(errors).toEqual(['boom']);
    expect(signal.reason).toMatchObject({ message: 'the lock ended', cause: 'boom' });
    expect(on.told).toEqual(['begins', 'acquired', 'held', 'released', '# boom', 'leaves']);
  });
});

describe('a drain', () => {
  const drained = ['withdrawn', '# LOCKS_CLOSED'];
  it.each([
    ['contending', [...drained, 'leaves']],
    ['waiting', [...drained, 'leaves']],
    ['paused after a failure', drained],
    ['refused', []],
    ['held', []],
    ['releasing', []],
  ])('ends at once who is %s, unless it holds or ends already', (phase, expected) => {
    const on = stage();
    const begun = on.begin({ wait: 50 });
    PHASES[phase]?.reach(begun, on);
    expect(on.saidBy(() => on.contenders.drain())).toEqual(expected);
    expect(on.reports('withdrawn')).toMatchObject(expected.length > 0 ? [{ reason: 'closed' }] : []);
  });

  it('ends who is between two rounds: its claim leaves, and nothing begins again', () => {
    const on = stage();
    const { claim: own } = on.begin({ wait: 50 });
    own.onLeave = () => on.contenders.drain();
    const said = on.saidBy(() => {
      own.tell(STATES.lost);
      on.pass(10);
    });
    expect(said).toEqual(['requeued', 'leaves', ...drained]);
  });
});

describe('the end of a wait', () => {
  it('is told at once where no claim must leave before', () => {
    const on = stage();
    const { claim: own, errors } = on.begin({ wait: 5 });
    own.tell(STATES.blocked);
    on.pass(4);
    own.tell(STATES.failed);
    expect(on.saidBy(() => on.pass(1))).toContain('# LOCK_TIMEOUT');
    expect(errors).toEqual([expect.objectContaining({ holders: [other], wait: 5 })]);
    expect(on.timers()).toBe(0);
  });

  it('is told once the claim has left', () => {
    const on = stage();
    const { claim: own } = on.begin({ wait: 5 });
    own.tell(STATES.blocked);
    expect(on.saidBy(() => on.pass(5))).toEqual(['leaves']);
    expect(on.saidBy(() => own.tell(STATES.left))).toEqual(['withdrawn', '# LOCK_TIMEOUT']);
    expect(on.timers()).toBe(0);
  });

  it('is timed only where there is one, also of a contender that may be aborted', () => {
    const on = stage();
    const { signal } = new AbortController();
    for (const wait of [0, Infinity]) on.begin({ signal, wait });
    expect(on.timers()).toBe(0);
    on.begin({ signal, wait: 5 });
    expect(on.timers()).toBe(1);
  });

  it('does not reach who holds, nor who is giving back', () => {
    const on = stage();
    const waitSignal = new AbortController();
    const { claim: own, held } = on.begin({ wait: 5, waitSignal: waitSignal.signal });
    own.tell(STATES.first);
    void held().release();
    const said = on.saidBy(() => {
      waitSignal.abort('enough');
      on.pass(10);
      own.tell(STATES.left);
    });
    expect(said).toEqual(['|']);
  });
});

describe('a release', () => {
  const releasing = (options?: ContendOptions) => {
    const on = stage();
    const begun = on.begin(options);
    begun.claim.tell(STATES.first);
    return { ...begun, on };
  };

  it('waits for the acknowledgement until the lease has run out, and times nothing after that', () => {
    const { on, held, seen, claim: own } = releasing();
    void held().release();
    expect(on.timers()).toBe(1);
    on.pass(99);
    expect(seen).toEqual(['held']);
    on.pass(1);
    expect(seen).toEqual(['held', '|']);
    own.tell(STATES.left);
    expect(on.timers()).toBe(0);
    const sooner = releasing();
    void sooner.held().release();
    sooner.claim.tell(STATES.left);
    expect(sooner.on.timers()).toBe(0);
  });

  it('needs no timer where it is acknowledged within the call', () => {
    const { on, held, seen, claim: own } = releasing();
    own.onLeave = () => own.tell(STATES.left);
    void held().release();
    expect([seen, on.everSet()]).toEqual([['held', '|'], 0]);
  });

  it('hands off as it was asked to', () => {
    for (const handOff of [true, false]) {
      const { held, claim: own } = releasing();
      void held().release({ handOff });
      expect(own.left).toEqual([handOff, 0]);
    }
  });

  it.each([
    [4, 5],
    [5, 0],
    [6, 0],
  ])('after %d ms of at least 5 keeps the key until %d', (heldFor, until) => {
    const { on, held, claim: own } = releasing({ atLeast: 5 });
    on.pass(heldFor);
    void held().release();
    expect(own.left).toEqual([true, until]);
  });

  it('by the end of the subscription keeps the key as well, but not of a lock that is lost', () => {
    const left = releasing({ atLeast: 5 });
    left.leave();
    expect(left.claim.left).toEqual([false, 5]);
    const lost = releasing({ atLeast: 5 });
    lost.claim.tell(STATES.lost);
    expect(lost.claim.left).toEqual([false, 0]);
  });

  it.each(['left', 'lost'] as const)(
    'settles its promise when its claim is %s, and by nothing else, also after the end of the subscription',
    async (end) => {
      const { held, claim: own, leave } = releasing();
      const fate = fateOf(held().release());
      leave();
      own.tell(STATES.wanted);
      await Promise.resolve();
      expect(fate.is).toBe('pending');
      own.tell(STATES[end]);
      await Promise.resolve();
      expect(fate.is).toBe('resolved');
    },
  );

  it('settles its promise when the lock is lost meanwhile', async () => {
    const { held, claim: own, seen } = releasing();
    const fate = fateOf(held().release());
    own.tell(STATES.lost);
    await Promise.resolve();
    expect([fate.is, seen]).toEqual(['resolved', ['held', '|']]);
  });

  it('is asked for no more while it ends', () => {
    const { on, held, claim: own } = releasing();
    held().ended$.subscribe({ complete: () => own.tell(STATES.wanted) });
    void held().release();
    expect(on.reports('revocation')).toEqual([]);
  });
});

describe('the last event of a contention', () => {
  const about = { key: 'k', kind: 'mutex', owner: expect.any(String) };

  it('has no cause where there is none', () => {
    const on = stage();
    on.begin().leave();
    expect(on.events).toStrictEqual([{ type: 'withdrawn', ...about, reason: 'unsubscribed', waitedFor: 0 }]);
    const lost = stage();
    lost.begin().claim.tell(STATES.first);
    lost.pass(3);
    lost.claims[0]?.tell(STATES.lost);
    expect(lost.reports('lost')).toStrictEqual([
      { type: 'lost', ...about, fencingToken: 7n, heldFor: 3, reason: 'deleted' },
    ]);
  });

  it('has the cause of the loss, as the error has', () => {
    const on = stage();
    const { claim: own, errors } = on.begin();
    own.tell(STATES.first);
    own.tell({ status: 'lost', loss: new ClaimLost('expired', silent) });
    expect(on.reports('lost')).toStrictEqual([
      { type: 'lost', ...about, fencingToken: 7n, heldFor: 0, reason: 'expired', cause: silent },
    ]);
    expect(errors).toEqual([expect.any(LockLostError)]);
    expect(errors).toMatchObject([{ key: 'k', reason: 'expired', fencingToken: 7n, cause: silent }]);
  });
});
