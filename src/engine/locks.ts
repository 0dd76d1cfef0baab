/**
 * `createLocks`: the engine put together over a backend.
 */
import { Subject, lastValueFrom, takeUntil } from 'rxjs';
import { timeOf } from '../time/clock.js';
import { InvalidOptionError } from '../api/errors.js';
import type { LockEvent } from '../api/events.js';
import type { Locks } from '../api/lock.js';
import type { Once } from '../api/once.js';
import type { OnceOptions } from '../api/run-options.js';
import { checkedKey, checkedPrefix } from '../rules/names.js';
import { checkedPermits, checkedSettings } from '../api/options.js';
import type { LocksOptions } from '../api/options.js';
import type { LockBackend } from '../backend/port.js';
import { sayEvent } from './channels.js';
import { createConnection } from './connection.js';
import { createContenders } from './contenders.js';
import { timingOf } from '../rules/timing.js';
import type { LocksRuntime } from './locks-runtime.js';
import { createEnqueueOrder } from './queue/enqueue-order.js';
import type { Runtime } from './runtime.js';
import { OwnSessions, SharedSession } from './sessions.js';
import { asQueueBackend, isSlotBackend } from './slot/slot-backend.js';
import { createLocalQueue } from './slot/local-queue.js';
import { LockTarget } from './target.js';
import { lockOfAll } from './features/all.js';
import { KeyElection } from './features/election.js';
import { createMarkerWatches } from './features/marker-watches.js';
import { KeyOnce } from './features/once.js';
import { checkedKeep } from '../api/run-options.js';
import { KeyLock } from './lock.js';
import { createKeyQueues } from './queue/key-queues.js';
import { createResync } from './queue/resync.js';
import { createPrefixWatches } from './features/prefix-watches.js';
import { createBackground } from './io/background.js';
import { createLimiter } from './io/limiter.js';
import { createDeadlines } from './io/deadlines.js';
import type { LockKind } from '../api/ownership.js';

/** More would not be answered sooner, and would have to be answered in time. */
const MAX_ENQUEUING = 256;

/** How long `close()` waits for the server. What is not acknowledged by then ends with its ttl. */
const CLOSE_WITHIN = 2000;

/**
 * Makes the locks of one client on one server. Nothing is sent before a lock is contended for.
 *
 * @param server a backend: from `rxlock/memory`, `rxlock/etcd3` or `rxlock/node-etcd`
 * @throws InvalidOptionError
 * @example
 * const locks = createLocks(memoryBackend(), { ttl: 10_000, owner: 'billing' });
 */
export function createLocks(server: LockBackend, options: LocksOptions = {}): Locks {
  const settings = checkedSettings(options);
  const time = timeOf(options);
  const events = new Subject<LockEvent>();
  const speaker = { owner: settings.owner, locks: {} };
  const report = (event: LockEvent): void => {
    sayEvent(event, speaker);
    events.next(event);
  };
  const background = createBackground((error) => {
    const cause = error instanceof Error ? error : new Error(String(error));
    report({ type: 'release-failed', what: cause.message, cause });
  });
  const deadlines = createDeadlines(time);
  const limiter = createLimiter(MAX_ENQUEUING);
  const connection = createConnection(report, () => time.now());
  const base = { settings, time, deadlines, background, limiter, connection, report };
  const isSlots = isSlotBackend(server);
  const backend = isSlots ? asQueueBackend(server) : server;
  const runtime: Runtime = { ...base, backend, timing: timingOf(settings.ttl, settings) };
  const contenders = createContenders(time);
  const sessions = isSlots ? new OwnSessions(runtime) : new SharedSession(runtime);
  const resync = createResync(runtime);
  const prefixWatches = createPrefixWatches(runtime, resync);
  const queues = createKeyQueues(runtime, resync);
  const markerWatches = backend.markers && createMarkerWatches(runtime, resync, backend.markers);
  let isClosed = false;
  let closing: Promise<void> | undefined;
  let claims = 0;
  // The same object: the timing of a granted lease is known to all.
  const locksRuntime: LocksRuntime = Object.assign(runtime, {
    sessions,
    queues,
    contenders,
    enqueueOrder: createEnqueueOrder(),
    localQueue: isSlots ? createLocalQueue() : undefined,
    isClosed: () => isClosed,
    nextClaimId: () => (claims++).toString(36),
  });

  const close = async (): Promise<void> => {
    const awake = time.awake();
    // The bodies and the claims first, then the lease under them.
    isClosed = true;
    contenders.close();
    sessions.close();
    queues.stop();
    prefixWatches.stop();
    markerWatches?.stop();
    resync.stop();
    await lastValueFrom(background.idle$.pipe(takeUntil(time.after(CLOSE_WITHIN))), { defaultValue: undefined });
    background.stop();
    deadlines.stop();
    backend.close();
    events.complete();
    awake.unsubscribe();
  };

  const lock = (key: string, kind: LockKind, permits?: number): KeyLock => {
    const spec = { key: checkedKey(key), kind, permits };
    const objection = backend.objection(spec);
    if (objection !== undefined) throw new InvalidOptionError('key', key, objection);
    return new KeyLock(locksRuntime, new LockTarget(locksRuntime, [spec]));
  };

  const locks: Locks = {
    mutex: (key) => lock(key, 'mutex'),
    semaphore: (key, permits) => lock(key, 'semaphore', checkedPermits(permits)),
    readLock: (key) => lock(key, 'read'),
    writeLock: (key) => lock(key, 'write'),
    all: (...members) => lockOfAll(locksRuntime, members),
    election(name) {
      const { proclaim, objection } = backend;
      const refused = objection({ key: checkedKey(name), kind: 'mutex', value: '' });
      if (proclaim && refused === undefined) return new KeyElection(locksRuntime, name);
      throw new InvalidOptionError('name', name, refused ?? `${backend.name} keeps no values. Use whileLeader().`);
    },
    once<T = unknown>(name: string, options: OnceOptions): Once<T> {
      const key = checkedKey(name);
      const keep = checkedKeep(options);
      const { markers, objection } = backend;
      const refused = objection({ key, kind: 'mutex' });
      if (markers && markerWatches && refused === undefined) {
        return new KeyOnce<T>(locksRuntime, markers, markerWatches, key, keep);
      }
      const advice = `${backend.name} has no place for what is done. Use a mutex, and keep elsewhere what was done under it.`;
      throw new InvalidOptionError('key', key, refused ?? advice);
    },
    watchAll$(prefix) {
      const name = checkedPrefix(prefix);
      if (backend.queues) return prefixWatches.watchAll$(backend.queues, name);
      const advice = `${backend.name} cannot list its locks. Use ownership$() of each, or etcd v3.`;
      throw new InvalidOptionError('prefix', prefix, advice);
    },
    events$: events.asObservable(),
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => locks.close(),
  };
  return locks;
}
