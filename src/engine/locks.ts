/**
 * `createLocks`: the engine put together over a backend.
 */
import { Subject, lastValueFrom, takeUntil } from 'rxjs';
import { timeOf } from '../time/clock.js';
import { InvalidOptionError } from '../api/errors.js';
import type { LockEvent } from '../api/events.js';
import type { Locks } from '../api/lock.js';
import { checkedKey, checkedPrefix } from '../rules/names.js';
import { checkedPermits, checkedSettings } from '../api/options.js';
import type { LocksOptions } from '../api/options.js';
import type { LockBackend } from '../backend/port.js';
import type { Arena } from './contender.js';
import { createContenders } from './contenders.js';
import { KeyTarget } from './claim.js';
import { lockOfAll } from './features/all.js';
import { KeyElection } from './features/election.js';
import { KeyLock } from './lock.js';
import { createKeyQueues } from './queue/key-queues.js';
import { createResync } from './queue/resync.js';
import { createLocalQueue } from './slot/local-queue.js';
import { createPrefixWatches } from './features/prefix-watches.js';
import { createBackground } from './io/background.js';
import type { EngineParts } from './runtime.js';
import { createLimiter } from './io/limiter.js';
import { createSessions } from './sessions.js';
import { createDeadlines } from './io/deadlines.js';
import type { LockKind } from '../api/ownership.js';

/** More would not be answered sooner, and would have to be answered in time. */
const MAX_ENQUEUING = 256;

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
  const deadlines = createDeadlines(time);
  const limiter = createLimiter(MAX_ENQUEUING);
  const engine: EngineParts = { backend, settings, time, deadlines, background, limiter, report };

  const contenders = createContenders(time);
  let isClosed = false;
  let closing: Promise<void> | undefined;
  const sessions = createSessions(engine);
  const patrol = createResync(engine);
  const regions = createPrefixWatches(engine, patrol);
  let claims = 0;
  const arena: Arena = {
    engine,
    sessions,
    lines: createKeyQueues(engine, patrol),
    ranks: createLocalQueue(),
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
    deadlines.stop();
    backend.close();
    events.complete();
    awake.unsubscribe();
  };

  const lock = (key: string, kind: LockKind, permits?: number): KeyLock => {
    const wanted = { key: checkedKey(key), kind, permits };
    const objection = backend.objection(wanted);
    if (objection !== undefined) throw new InvalidOptionError('key', key, objection);
    return new KeyLock(arena, new KeyTarget(arena, wanted.key, kind, permits));
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
    watchAll$(prefix) {
      const name = checkedPrefix(prefix);
      const { queues } = backend;
      if (queues) return regions.watchAll$(queues, name);
      const advice = `${backend.name} cannot list its locks. Use ownership$() of each, or etcd v3.`;
      throw new InvalidOptionError('prefix', prefix, advice);
    },
    events$: events.asObservable(),
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => locks.close(),
  };
  return locks;
}
