/**
 * `createLocks`: the engine put together over a backend.
 */
import { Subject, lastValueFrom, takeUntil } from 'rxjs';
import { timeOf } from './core/clock.js';
import { InvalidOptionError } from './core/errors.js';
import type { LockEvent } from './core/events.js';
import type { Locks } from './core/lock.js';
import { checkedKey, checkedPrefix } from './core/names.js';
import { checkedPermits, checkedSettings } from './core/options.js';
import type { LocksOptions } from './core/options.js';
import type { LockBackend, LockKind } from './core/port.js';
import type { Arena } from './lock/contend.js';
import { createContenders } from './lock/contenders.js';
import { OneKey } from './lock/claim.js';
import { lockOfAll } from './lock/all.js';
import { KeyElection } from './lock/election.js';
import { KeyLock } from './lock/lock.js';
import { createLines } from './lock/lines.js';
import { createPatrol } from './lock/patrol.js';
import { createRanks } from './lock/ranks.js';
import { createRegions } from './lock/regions.js';
import { createBackground } from './session/background.js';
import type { Engine } from './session/engine.js';
import { createGate } from './session/gate.js';
import { createSessions } from './session/sessions.js';
import { createTimeouts } from './session/timeouts.js';

/** More would not be answered sooner, and would have to be answered in time. */
const MOST_ENTERING = 256;

/** How long `close()` waits for the server. What is not acknowledged by then ends with its ttl. */
const CLOSE_WITHIN = 2000;

/**
 * Makes the locks of one client on one server. Nothing is sent before a lock is contended for.
 *
 * @param backend from `rxlock/memory`, `rxlock/etcd3` or `rxlock/node-etcd`
 * @throws InvalidOptionError
 * @example
 * const locks = createLocks(memoryBackend(), { ttl: 10_000, owner: 'billing' });
 */
export function createLocks(backend: LockBackend, options: LocksOptions = {}): Locks {
  const settings = checkedSettings(options);
  const time = timeOf(options);
  const events = new Subject<LockEvent>();
  const report = (event: LockEvent): void => events.next(event);
  const background = createBackground((error) => {
    const cause = error instanceof Error ? error : new Error(String(error));
    report({ type: 'release-failed', what: cause.message, cause });
  });
  const timeouts = createTimeouts(time);
  const gate = createGate(MOST_ENTERING);
  const engine: Engine = { backend, settings, time, timeouts, background, gate, report };

  const contenders = createContenders(time);
  let isClosed = false;
  let closing: Promise<void> | undefined;
  const sessions = createSessions(engine);
  const patrol = createPatrol(engine);
  const regions = createRegions(engine, patrol);
  let claims = 0;
  const arena: Arena = {
    engine,
    sessions,
    lines: createLines(engine, patrol),
    ranks: createRanks(),
    contenders,
    isClosed: () => isClosed,
    nextClaimId: () => (claims++).toString(36),
  };

  const close = async (): Promise<void> => {
    const awake = time.awake();
    // The bodies and the claims first, then the lease under them.
    isClosed = true;
    contenders.close();
    sessions.close();
    arena.lines.stop();
    regions.stop();
    patrol.stop();
    await lastValueFrom(background.idle$.pipe(takeUntil(time.after(CLOSE_WITHIN))), { defaultValue: undefined });
    background.stop();
    timeouts.stop();
    backend.close();
    events.complete();
    awake.unsubscribe();
  };

  const lock = (key: string, kind: LockKind, permits?: number): KeyLock => {
    const wanted = { key: checkedKey(key), kind, permits };
    const objection = backend.objection(wanted);
    if (objection !== undefined) throw new InvalidOptionError('key', key, objection);
    return new KeyLock(arena, new OneKey(arena, wanted.key, kind, permits));
  };

  const locks: Locks = {
    mutex: (key) => lock(key, 'mutex'),
    semaphore: (key, permits) => lock(key, 'semaphore', checkedPermits(permits)),
    readLock: (key) => lock(key, 'read'),
    writeLock: (key) => lock(key, 'write'),
    all: (...members) => lockOfAll(arena, members),
    election(name) {
      const { proclaim, objection } = backend;
      const refused = objection({ key: checkedKey(name), kind: 'mutex', value: '' });
      if (proclaim && refused === undefined) return new KeyElection(arena, name, proclaim);
      throw new InvalidOptionError('name', name, refused ?? `${backend.name} keeps no values. Use whileLeader().`);
    },
    ownerships$(prefix) {
      const name = checkedPrefix(prefix);
      const { queues } = backend;
      if (queues) return regions.ownerships$(queues, name);
      const advice = `${backend.name} cannot list its locks. Use ownership$() of each, or etcd v3.`;
      throw new InvalidOptionError('prefix', prefix, advice);
    },
    events$: events.asObservable(),
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => locks.close(),
  };
  return locks;
}
