/**
 * The channels of `node:diagnostics_channel`: what is said of a contention, in which order, and in whose context.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from '@jest/globals';
import { VirtualTimeScheduler } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { traced } from '../../src/engine/channels.js';
import type { AcquireMessage, HoldMessage, LockState, Locks, OutageMessage, RenewalMessage } from '../../src/index.js';
import { lockServer } from '../../src/testing/index.js';
import { locksRuntimeOf } from '../support/engines.js';
import { SLOW } from '../support/marbles.js';

const TRACED = ['acquire', 'hold'] as const;
const EVENTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;
const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

function listen(name: string, listener: (message: object) => void): void {
  const hear = (message: unknown): void => listener(message as object);
  subscribe(name, hear);
  stops.push(() => unsubscribe(name, hear));
}

/** All that is said of contentions, as `acquire:start k`. */
function listenToAll(): { readonly said: string[]; readonly messages: object[] } {
  const said: string[] = [];
  const messages: object[] = [];
  for (const subject of TRACED) {
    for (const event of EVENTS) {
      listen(`tracing:rxlock:${subject}:${event}`, (message) => {
        said.push(`${subject}:${event} ${(message as AcquireMessage).key}`);
        if (!messages.includes(message)) messages.push(message);
      });
    }
  }
  return { said, messages };
}

const setUp = () => {
  const scheduler = new VirtualTimeScheduler(undefined, 1000);
  const server = lockServer(scheduler, { latency: 1 });
  const client = (owner: string): ReturnType<typeof server.client> => server.client({ ...SLOW, owner });
  const until = (frame: number): void => {
    scheduler.schedule(() => undefined, frame - scheduler.frame);
    scheduler.maxFrames = frame;
    scheduler.flush();
  };
  return { scheduler, client, until };
};

const states = (locks: Locks, key: string, told: (state: LockState) => void = () => undefined) =>
  locks
    .mutex(key)
    .lock$()
    .subscribe({ next: told, error: () => undefined });

describe('the tracing channels', () => {
  it('say the wait and the hold, each with one object from its start to its end', () => {
    const { said, messages } = listenToAll();
    const { client, until } = setUp();
    const locks = client('a');
    until(3);
    const holder = states(locks, 'k');
    until(8);
    holder.unsubscribe();
    expect(said).toEqual([
      'acquire:start k',
      'acquire:end k',
      'acquire:asyncStart k',
      'acquire:asyncEnd k',
      'hold:start k',
      'hold:end k',
      'hold:asyncStart k',
      'hold:asyncEnd k',
    ]);
    const about = { key: 'k', keys: ['k'], kind: 'mutex', owner: 'a' };
    const [acquire, hold] = messages as [AcquireMessage, HoldMessage];
    expect(messages).toHaveLength(2);
    expect(acquire).toStrictEqual({ ...about, wait: Infinity, outcome: 'acquired', waitedFor: 4 });
    expect(hold).toStrictEqual({
      ...about,
      acquire,
      fencingToken: expect.any(BigInt),
      outcome: 'released',
      heldFor: 1,
    });
    expect(hold.acquire).toBe(acquire);
  });

  it('say each other end of a wait, with what its user is told', () => {
    const outcomes = (wait: number, end: (locks: Locks, abort: AbortController) => void) => {
      const { said, messages } = listenToAll();
      const { client, until } = setUp();
      states(client('holder'), 'k');
      until(10);
      const locks = client('waiter');
      const abort = new AbortController();
      const errors: unknown[] = [];
      const waiter = locks
        .mutex('k')
        .lock$({ wait, signal: abort.signal })
        .subscribe({ error: (error: unknown) => errors.push(error) });
      until(20);
      end(locks, abort);
      until(40);
      waiter.unsubscribe();
      const { outcome, error } = messages[2] as AcquireMessage;
      expect(error).toBe(errors[0]);
      expect(said.includes('acquire:error k')).toBe(errors.length > 0);
      return outcome;
    };
    const nothing = (): void => undefined;
    expect(outcomes(0, nothing)).toBe('busy');
    expect(outcomes(15, nothing)).toBe('timeout');
    expect(outcomes(Infinity, (_locks, abort) => abort.abort('enough'))).toBe('aborted');
    expect(outcomes(Infinity, (locks) => void locks.close())).toBe('closed');
    expect(outcomes(Infinity, nothing)).toBe('unsubscribed');
  });

  it('say a loss before the user hears of it, as an error with its reason', () => {
    const { said, messages } = listenToAll();
    const { client, until } = setUp();
    const locks = client('a');
    const held = states(locks, 'lost', () => locks.network.partition());
    until(100);
    expect(held.closed).toBe(true);
    expect(said.slice(-3)).toEqual(['hold:error lost', 'hold:asyncStart lost', 'hold:asyncEnd lost']);
    expect(messages.at(-1)).toMatchObject({ outcome: 'lost', reason: 'expired', error: { code: 'LOCK_LOST' } });
  });

  it('name several keys at once, and what was never contended for says nothing', () => {
    const { messages } = listenToAll();
    const { client, until } = setUp();
    const locks = client('a');
    const both = locks.all(locks.mutex('a'), locks.readLock('b'));
    expect(messages).toEqual([]);
    both.lock$().subscribe();
    until(10);
    expect(messages[0]).toMatchObject({ key: 'a + b', keys: ['a', 'b'], kind: 'all' });
  });

  it('begin in the context of who subscribes, and the user works in what a tracer has bound', () => {
    const request = new AsyncLocalStorage<string>();
    const span = new AsyncLocalStorage<object>();
    const { start } = tracingChannel('rxlock:hold');
    start.bindStore(span);
    stops.push(() => start.unbindStore(span));
    const begun: unknown[] = [];
    listen('tracing:rxlock:acquire:start', () => begun.push(request.getStore()));
    const { client, until } = setUp();
    const seen: unknown[] = [];
    request.run('alice', () => {
      states(client('a'), 'k', () => seen.push(request.getStore(), span.getStore()));
    });
    until(10);
    expect(begun).toEqual(['alice']);
    expect(seen).toEqual(['alice', expect.objectContaining({ key: 'k', fencingToken: expect.any(BigInt) })]);
    expect(span.getStore()).toBeUndefined();
  });

  it('say nothing of a contention that was begun before anybody listened', () => {
    const { client, until } = setUp();
    const holder = states(client('a'), 'k');
    until(5);
    const { said } = listenToAll();
    holder.unsubscribe();
    until(10);
    expect(said).toEqual([]);
  });
});

describe('a contention is said', () => {
  const heard = (name: string) => {
    const messages: object[] = [];
    listen(name, (message) => messages.push(message));
    const { client, until } = setUp();
    const held = states(client('a'), 'k');
    until(10);
    held.unsubscribe();
    return messages.length;
  };

  it.each(TRACED.flatMap((subject) => EVENTS.map((event) => [subject, event] as const)))(
    'to who listens to one channel only: %s:%s',
    (subject, event) => {
      expect(heard(`tracing:rxlock:${subject}:${event}`)).toBe(event === 'error' ? 0 : 1);
    },
  );

  it('once: what comes after its end, or before its hold, says nothing more', () => {
    const { said } = listenToAll();
    marbles((m) => {
      const trace = traced(locksRuntimeOf(m.scheduler), { key: 'k', keys: ['k'], specs: [] } as never, 5);
      trace?.endHold(undefined);
      expect(said).toEqual([]);
      trace?.held(1n, () => undefined);
      trace?.withdrawn('timeout', new Error('late'));
      trace?.endHold(undefined);
      trace?.endHold(new Error('late'));
    })();
    expect(said).toEqual([
      'acquire:asyncStart k',
      'acquire:asyncEnd k',
      'hold:start k',
      'hold:end k',
      'hold:asyncStart k',
      'hold:asyncEnd k',
    ]);
  });
});

describe('the plain channels', () => {
  it('say renewals and outages, and whose they are', () => {
    const renewals: RenewalMessage[] = [];
    const outages: OutageMessage[] = [];
    listen('rxlock:renewal', (message) => renewals.push(message as RenewalMessage));
    listen('rxlock:outage', (message) => outages.push(message as OutageMessage));
    const { client, until } = setUp();
    const locks = client('a');
    states(locks, 'k');
    until(15);
    expect(renewals).toEqual([expect.objectContaining({ type: 'renewed', took: 2, owner: 'a' })]);
    locks.network.partition();
    until(24);
    locks.network.heal();
    until(60);
    expect(renewals.map(({ type }) => type)).toContain('renewal-failed');
    expect(outages.slice(0, 2).map(({ type, owner }) => [type, owner])).toEqual([
      ['disconnected', 'a'],
      ['connected', 'a'],
    ]);
    expect(new Set([...renewals, ...outages].map((message) => message.locks)).size).toBe(1);
  });
});
