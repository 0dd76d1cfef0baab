/**
 * rxlock, over a client it makes for itself and over one of the user's.
 */
import { Etcd3 } from 'etcd3';
import { of } from 'rxjs';
import { createLocks, withLock } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';

/** With a client of its own, made for locks. */
export function rxlock(url, options) {
  return over('rxlock', createLocks(etcd3Backend({ hosts: url }), options));
}

/** Over a ready-made client of the user's, with npm etcd3's own policy. */
export function rxlockOverClient(url, options) {
  const client = new Etcd3({ hosts: url });
  return over("rxlock, user's client", createLocks(etcd3Backend(client), options), () => client.close());
}

/** As `rxlock`, in the form for pipelines. */
export function rxlockPipelines(url, options) {
  const contender = rxlock(url, options);
  const nothing$ = of(undefined);
  return {
    ...contender,
    name: 'rxlock, withLock',
    cycle: (key) =>
      new Promise((resolve, reject) => {
        nothing$.pipe(withLock(contender.locks.mutex(key))).subscribe({ complete: resolve, error: reject });
      }),
  };
}

/** Any `Locks` as a contender. */
export const over = (name, locks, closeClient = () => undefined) => ({
  name,
  locks,
  async cycle(key) {
    const held = await locks.mutex(key).acquire();
    await held.release();
  },
  async close() {
    await locks.close();
    closeClient();
  },
});
