/**
 * `Locks`: makes all locks of one client.
 */
import type { Observable } from 'rxjs';
import type { Election } from './election.js';
import type { LockEvent } from './events.js';
import type { AllLock, Lock } from './lock.js';
import type { Once } from './once.js';
import type { CloseOptions, PingOptions } from './options.js';
import type { Ownerships } from './ownership.js';
import type { OnceOptions } from './run-options.js';

/**
 * All locks of one client of one server. In memory and on etcd v3 they share a session: one lease, renewed while any of
 * them is held or contended for. On etcd v2 each lock has its own ttl and its own renewals.
 */
export interface Locks {
  /**
   * A lock with one holder at a time, first come first served.
   *
   * @throws InvalidOptionError for a key no server can carry
   */
  mutex(key: string): Lock;
  /**
   * A lock with up to `permits` holders at a time, first come first served. Give the same number everywhere: if clients
   * disagree, the smallest number among a claim and those ahead of it applies.
   *
   * @throws InvalidOptionError for a key no server can carry, for `permits` that are no whole number of 1 or more, and
   *   on etcd v2
   * @example
   * const uploads = locks.semaphore('uploads', 3);
   * await uploads.use(() => fetch('http://127.0.0.1/upload', { method: 'POST' }));
   */
  semaphore(key: string, permits: number): Lock;
  /**
   * A lock that readers hold together. A waiting writer, mutex or semaphore of the same key stops later readers, so
   * nobody starves.
   *
   * ```text
   * reader 1   h----------!
   * reader 2   -h-----!
   * writer     --w--------h---!        once both have gone
   * reader 3   ---w-----------h--      behind the writer
   * ```
   *
   * @throws InvalidOptionError for a key no server can carry, and on etcd v2
   */
  readLock(key: string): Lock;
  /**
   * A lock that excludes readers and other writers of the key, as a mutex does.
   *
   * @throws InvalidOptionError as {@link readLock}
   */
  writeLock(key: string): Lock;
  /**
   * Several locks of these `Locks` as one, of any kinds, over different keys. One request queues for all of them:
   * either all are held or none, and no order of the arguments can deadlock. The loss of one is the loss of all. The
   * key is the keys of the members, joined by ` + `; there is one fencing token for all.
   *
   * ```text
   * a          h------!
   * b          -h---------!
   * all(a, b)  --w--------h---!      once both are free, and nobody who came later got one of them meanwhile
   * a          ----w----------h      behind it
   * ```
   *
   * @throws InvalidOptionError for no lock, a key twice, a lock of other `Locks`, more locks than the server takes, and
   *   on etcd v2
   * @example
   * const transfer = locks.all(locks.mutex('accounts/1'), locks.mutex('accounts/2'), locks.readLock('rates'));
   * await transfer.use(() => fetch('http://127.0.0.1/transfer', { method: 'POST' }));
   */
  all(...members: readonly Lock[]): AllLock;
  /**
   * An election of that name. `proclaim` changes the value of the candidates of the same election object only.
   *
   * @throws InvalidOptionError for a name no server can carry, or on etcd v2: use `whileLeader` over a mutex there
   * @example
   * const election = locks.election('scheduler');
   * election.leader$.subscribe(console.log);
   * election.campaign$('10.0.0.1:8080').subscribe();
   */
  election(name: string): Election;
  /**
   * Work that one process of the fleet does, and that stays done for `keep` milliseconds: see `runOnce`. It runs under
   * the mutex of that key; the result is written beside the queue of that mutex.
   *
   * @typeParam T the result of a run: plain data that JSON does not change
   * @param options.keep how long the work stays done, milliseconds: more than the clocks of the fleet differ
   * @throws InvalidOptionError for a key no server can carry, for `keep` below a second or above a year
   * @example
   * const report = locks.once<{ readonly total: number }>('reports/2026-11-28', { keep: 2 * 24 * 3600_000 });
   */
  once<T = unknown>(key: string, options: OnceOptions): Once<T>;
  /**
   * Who holds which lock, of all keys that begin with the prefix, without contending: emits all of them when the server
   * has answered, then every change. Sets `cause` while the server cannot be followed, and goes on when it can. Never
   * errors; completes with {@link close}. All keys below the prefix should be locks: any other key is shown as a lock.
   * All subscribers of one returned stream share one watch.
   *
   * @throws InvalidOptionError for a prefix that is no string, or on etcd v2
   * @example
   * locks.watchAll$('orders/').subscribe(({ all, changed }) => {
   *   for (const { key, status } of changed) console.log(key, status);
   *   console.log(`${all.size} held`);
   * });
   */
  watchAll$(prefix: string): Observable<Ownerships>;
  /** What happens inside, for logs and metrics. Hot. */
  readonly events$: Observable<LockEvent>;
  /**
   * For health checks: reads the queue of one key, and resolves when the server has answered. So it proves that the
   * server can be reached and that the role may read. It does not prove that the role may write: `rxlock check` takes a
   * lock.
   *
   * Rejects with {@link BackendError} when the server refuses, or does not answer within `within` (5 seconds by
   * default).
   *
   * @example
   * await locks.ping({ within: 1_000 });
   */
  ping(options?: PingOptions): Promise<void>;
  /**
   * Stops every stream of these locks with a {@link LocksClosedError}, releases what was held, withdraws what was
   * queued, ends the session. Resolves when the server has acknowledged, after 2 seconds at the latest.
   *
   * With `drain`, holders may finish first, for that many milliseconds at most; waiters are withdrawn at once, and no
   * new contender is let in. A second call without `drain` ends the drain.
   *
   * ```text
   * close({ drain: 9 })   c--------
   * holder                ----|          done in time: released as ever
   * holder                ---------#     LocksClosedError
   * waiter, newcomer      #              LocksClosedError
   * ```
   *
   * @example
   * process.once('SIGTERM', () => void locks.close({ drain: 20_000 }));
   */
  close(options?: CloseOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
