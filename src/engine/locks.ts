/**
 * `createLocks`: checks the arguments, assembles the engine over a backend, and makes the results loggable.
 */
import { platform } from '#platform';
import { Subject, lastValueFrom, map } from 'rxjs';
import { isVirtual } from '../time/scheduler.js';
import { timeOf } from '../time/clock.js';
import { InvalidOptionError, LocksClosedError } from '../api/errors.js';
import type { LockEvent } from '../api/events.js';
import { checkedNames } from '../api/known-options.js';
import { writable } from '../api/json.js';
import type { Lock } from '../api/lock.js';
import type { Locks } from '../api/locks.js';
import type { Once } from '../api/once.js';
import type { OnceOptions } from '../api/run-options.js';
import { checkedKey, checkedPrefix } from '../rules/names.js';
import { checkedClose, checkedPermits, checkedPing, checkedSettings } from '../api/options.js';
import type { LocksOptions } from '../api/options.js';
import { checkedArguments, checkedBackend, checkedTime } from '../api/shapes.js';
import type { LockBackend } from '../backend/port.js';
import { whole } from '../backend/decorate.js';
import { prefixed } from '../backend/prefixed.js';
import { inSubscriberContext } from '../platform/in-context.js';
import { useBackend } from './backend-users.js';
import { createBodies } from './bodies.js';
import { createClosing } from './closing.js';
import { sayEvent } from './channels.js';
import { asError } from './as-error.js';
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
import { createTurnQueues } from './features/turn-queues.js';
import { pinged$ } from './features/ping.js';
import { checkedKeep } from '../api/run-options.js';
import { KeyLock } from './lock.js';
import { createKeyQueues } from './queue/key-queues.js';
import { createResync } from './queue/resync.js';
import { createPrefixWatches } from './features/prefix-watches.js';
import { createBackground } from './io/background.js';
import { createLimiter } from './io/limiter.js';
import { createDeadlines } from './io/deadlines.js';
import type { LockKind } from '../api/ownership.js';

/** How many requests to queue may be under way. More would not be answered sooner, and could miss their timeout. */
const MAX_ENQUEUING = 256;

/** In a test, the durations may be frames of a diagram. */
const isInVirtualTime = ({ clock, scheduler }: LocksOptions): boolean =>
  clock !== undefined || (scheduler !== undefined && isVirtual(scheduler));

/** Refuses arguments after the key: they are meant for another call. */
const keyOnly = (call: string, rest: readonly unknown[]): void =>
  checkedArguments(call, rest, 'options go to createLocks() or to the call that contends.');

/**
 * Makes the locks of one client on one server. Nothing is sent before a lock is contended for.
 *
 * @param server a backend: from `rxlock/memory`, `rxlock/etcd3` or `rxlock/node-etcd`
 * @throws InvalidOptionError for anything but a backend, for unknown options, for a ttl below a second
 * @example
 * const locks = createLocks(memoryBackend(), { ttl: 10_000, owner: 'billing', prefix: 'billing/' });
 */
export function createLocks(server: LockBackend, options: LocksOptions = {}): Locks {
  checkedBackend(server);
  checkedNames('createLocks', options);
  checkedTime(options);
  const inVirtualTime = isInVirtualTime(options);
  const settings = checkedSettings(options, inVirtualTime);
  const prefix = checkedPrefix(settings.prefix);
  const time = timeOf(options);
  const events = new Subject<LockEvent>();
  const speaker = { owner: settings.owner, locks: {} };
  const report = (event: LockEvent): void => {
    sayEvent(event, speaker);
    events.next(event);
  };
  const background = createBackground((error) => {
    const cause = asError(error);
    report({ type: 'release-failed', what: cause.message, cause });
  });
  const deadlines = createDeadlines(time);
  const limiter = createLimiter(MAX_ENQUEUING);
  const connection = createConnection(report, () => time.now());
  const context = platform.captureContext();
  const base = { settings, time, deadlines, background, limiter, connection, context, report };
  const full = whole(server);
  const named = prefix === '' ? full : prefixed(full, prefix);
  const isSlots = isSlotBackend(named);
  const backend = isSlots ? asQueueBackend(named) : named;
  if (settings.renewIn === 'worker' && !backend.renewalWorker) {
    const advice = `${server.name} cannot renew in a thread of its own: give createLocks() an etcd3Backend({ hosts }).`;
    throw new InvalidOptionError('renewIn', 'worker', advice);
  }
  const leaveBackend = useBackend(server);
  const runtime: Runtime = { ...base, backend, timing: timingOf(settings.ttl, settings) };
  const contenders = createContenders(time);
  const sessions = isSlots ? new OwnSessions(runtime) : new SharedSession(runtime);
  const resync = createResync(runtime);
  const prefixWatches = createPrefixWatches(runtime, resync);
  const queues = createKeyQueues(runtime, resync);
  const markerWatches = backend.markers && createMarkerWatches(runtime, resync, backend.markers);
  const closing = createClosing({
    time,
    contenders,
    background,
    end() {
      // First the bodies and the claims, then the lease under them.
      contenders.close();
      sessions.close();
      queues.stop();
      prefixWatches.stop();
      markerWatches?.stop();
      resync.stop();
    },
    stop() {
      background.stop();
      deadlines.stop();
      leaveBackend();
      events.complete();
    },
  });
  let claims = 0;
  // The same object, so that a change of `timing` reaches all parts.
  const locksRuntime: LocksRuntime = Object.assign(runtime, {
    sessions,
    queues,
    contenders,
    bodies: createBodies(),
    enqueueOrder: createEnqueueOrder(),
    localQueue: isSlots ? createLocalQueue() : undefined,
    isClosing: closing.isClosing,
    isClosed: closing.isClosed,
    nextClaimId: () => (claims++).toString(36),
  });

  const turns = createTurnQueues(locksRuntime);

  const lock = (key: string, kind: LockKind, permits?: number): KeyLock => {
    const spec = { key: checkedKey(key), kind, permits };
    checkedKey(prefix + key);
    const objection = backend.objection(spec);
    if (objection !== undefined) throw new InvalidOptionError('key', key, objection);
    return new KeyLock(locksRuntime, new LockTarget(locksRuntime, [spec]));
  };

  const locks: Locks = {
    mutex: (key, ...rest: unknown[]) => (keyOnly('mutex()', rest), lock(key, 'mutex')),
    semaphore(key, permits, ...rest: unknown[]) {
      keyOnly('semaphore()', rest);
      return lock(key, 'semaphore', checkedPermits(permits));
    },
    readLock: (key, ...rest: unknown[]) => (keyOnly('readLock()', rest), lock(key, 'read')),
    writeLock: (key, ...rest: unknown[]) => (keyOnly('writeLock()', rest), lock(key, 'write')),
    all: (...members: readonly Lock[]) => lockOfAll(locksRuntime, members),
    election(name, ...rest: unknown[]) {
      keyOnly('election()', rest);
      const { proclaim, objection } = backend;
      checkedKey(prefix + checkedKey(name));
      const refused = objection({ key: name, kind: 'mutex', value: '' });
      if (proclaim && refused === undefined) return new KeyElection(locksRuntime, name);
      throw new InvalidOptionError('name', name, refused ?? `${backend.name} keeps no values. Use whileLeader().`);
    },
    once<T = unknown>(name: string, options: OnceOptions, ...rest: unknown[]): Once<T> {
      checkedArguments('once()', rest, 'what runs goes to runOnce() or run().');
      const key = checkedKey(name);
      const keep = checkedKeep(options, inVirtualTime);
      checkedKey(prefix + key);
      const refused = backend.objection({ key, kind: 'mutex' });
      const { markers } = backend;
      if (markers && markerWatches && refused === undefined) {
        return new KeyOnce<T>(locksRuntime, { markers, watches: markerWatches, turns }, key, keep);
      }
      const advice = `${backend.name} cannot store that work is done. Use a mutex, and record elsewhere what was done under it.`;
      throw new InvalidOptionError('key', key, refused ?? advice);
    },
    watchAll$(beginning, ...rest: unknown[]) {
      keyOnly('watchAll$()', rest);
      const name = checkedPrefix(beginning);
      if (backend.queues) {
        return prefixWatches.watchAll$(backend.queues, name).pipe(map(writable), inSubscriberContext());
      }
      const advice = `${backend.name} cannot list its locks. Use ownership$() of each, or etcd v3.`;
      throw new InvalidOptionError('prefix', beginning, advice);
    },
    events$: events.pipe(map(writable), inSubscriberContext()),
    async ping(options = {}) {
      const { key, within } = checkedPing(options);
      // Refuses a key that a lock would refuse.
      const { key: name } = lock(key, 'mutex');
      if (closing.isClosed()) throw new LocksClosedError({ key: name });
      await lastValueFrom(pinged$(runtime, name, within));
    },
    // Not an async function, so that a second call returns the same promise.
    close(options = {}) {
      try {
        return closing.close(checkedClose(options));
      } catch (error) {
        return Promise.reject(error);
      }
    },
    [Symbol.asyncDispose]: () => locks.close(),
  };
  return locks;
}
