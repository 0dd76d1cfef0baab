/**
 * rxlock, in each of the forms in which it is used.
 */
import { EMPTY, Observable, defer, finalize, lastValueFrom, switchMap, takeWhile, tap } from 'rxjs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { KINDS, kindsOf } from '../kinds.mjs';

/** @param {string} [engine] the folder of another build than this package's own */
const loaded = async (engine) => {
  const at = (path) => pathToFileURL(join(engine, path)).href;
  const [core, etcd3] = engine ? [at('index.js'), at('backends/etcd3/index.js')] : ['rxlock', 'rxlock/etcd3'];
  return { ...(await import(core)), ...(await import(etcd3)) };
};

export async function contender({ hosts, auth, ttl, owner, engine, onEvent }) {
  const { createLocks, etcd3Backend, runOnce, usingLock, withLock } = await loaded(engine);
  const FORMS = formsOf({ usingLock, withLock });
  const ONCE_FORMS = onceFormsOf({ runOnce });
  const backend = etcd3Backend({ hosts, auth });
  const locks = createLocks(backend, { ttl, owner });
  locks.events$.subscribe(onEvent);
  const kinds = kindsOf(locks);
  return {
    kinds,
    forms: Object.keys(FORMS),
    hold$({ kind, keys, form, onState, options, body }) {
      const lock = kinds.find(({ name }) => name === kind).make(locks, keys);
      return form in ONCE_FORMS
        ? ONCE_FORMS[form](lock, options, body)
        : FORMS[form](tapped(lock, onState), options, body);
    },
    guard: (held) => backend.guard(held),
    /** The states of a lock, as those see it who do not contend. */
    ownership$: (key) => locks.mutex(key).ownership$(),
    watched: [KINDS['long mutex'], KINDS.mutex].map(({ keys: [key] }) => key),
    close: () => locks.close(),
  };
}

/** The same lock, whose `lock$` can be looked at. The promise forms show no states. */
const tapped = (lock, onState) => ({
  key: lock.key,
  lock$: (options) => lock.lock$(options).pipe(tap(onState)),
  acquire: (options) => lock.acquire(options),
  use: (body, options) => lock.use(body, options),
});

/** Each runs the body while it holds, and mirrors it. */
const formsOf = ({ usingLock, withLock }) => ({
  withLock: (lock, options, body) =>
    defer(() => {
      let held;
      const remembering = tapped(lock, (state) => (held = state.held));
      return defer(() => body(held)).pipe(withLock(remembering, options));
    }),
  usingLock: (lock, options, body) => usingLock(lock, body, options),
  lock$: (lock, options, body) =>
    lock.lock$(options).pipe(
      switchMap((state) => {
        if (state.status !== 'held') return EMPTY;
        const { held } = state;
        return whileHeld(held, body).pipe(finalize(() => held.release().catch(NOT_OURS_ANY_MORE)));
      }),
    ),
  use: (lock, options, body) =>
    promised(options, (given, emit) =>
      lock.use((held) => lastValueFrom(whileHeld(held, body).pipe(tap(emit)), { defaultValue: undefined }), given),
    ),
  acquire: (lock, options, body) =>
    promised(options, async (given, emit) => {
      const held = await lock.acquire(given);
      const lost = new Promise((_, reject) => {
        held.signal.addEventListener('abort', () => reject(held.signal.reason), { once: true });
      });
      const inner = new AbortController();
      held.signal.addEventListener('abort', () => inner.abort(), { once: true });
      try {
        await Promise.race([lost, ran(whileHeld(held, body).pipe(tap(emit)), inner.signal)]);
      } finally {
        await held.release().catch(NOT_OURS_ANY_MORE);
      }
    }),
});

/** The body is run by one, the others get its last value. They show no states: who waits may never hold. */
const onceFormsOf = ({ runOnce }) => ({
  runOnce: (once, options, body) => runOnce(once, body, options),
  run: (once, options, body) =>
    promised(options, async (given, emit) => {
      const ran = (held) => lastValueFrom(whileHeld(held, body).pipe(tap(emit)), { defaultValue: undefined });
      emit(await once.run(ran, given));
    }),
});

/** The loss itself is told elsewhere. */
const NOT_OURS_ANY_MORE = (error) => {
  if (error.code !== 'LOCK_NOT_OWNED') throw error;
};

/** What a careful user of the promise forms does: look before each thing done. */
const whileHeld = (held, body) => body(held).pipe(takeWhile(() => held.isHeld()));

const ran = (source$, signal) =>
  new Promise((resolve, reject) => {
    const running = source$.subscribe({ error: reject, complete: resolve });
    signal.addEventListener('abort', () => running.unsubscribe(), { once: true });
  });

/** A promise form as a stream; unsubscribing aborts. */
const promised = (options, run) =>
  new Observable((subscriber) => {
    const aborter = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, aborter.signal]) : aborter.signal;
    run({ ...options, signal }, (value) => subscriber.next(value)).then(
      () => subscriber.complete(),
      (error) => subscriber.error(error),
    );
    return () => aborter.abort();
  });
