/**
 * All locks of one client: where a user gets a `Lock` from.
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
 * them is wanted. On etcd v2 each has its own ttl, and is renewed by itself.
 */
export interface Locks {
  /** The lock that one holds at a time, first come first served. @throws InvalidOptionError for a key no server can carry */
  mutex(key: string): Lock;
  /**
   * The lock that so many hold at a time, first come first served. Everybody should give the same number: who
   * disagrees is held to the least of those in front of it, and of its own.
   *
   * @throws InvalidOptionError for a key no server can carry, permits that are no whole number from 1 on, on etcd v2
   * @example
   * const uploads = locks.semaphore('uploads', 3);
   * await uploads.use(() => fetch('http://127.0.0.1/upload', { method: 'POST' }));
   */
  semaphore(key: string, permits: number): Lock;
  /**
   * The lock that readers hold together. A writer that waits stops later readers, so nobody starves; so it is with a
   * mutex of that key, or a semaphore.
   *
   * ```text
   * reader 1   h----------!
   * reader 2   -h-----!
   * writer     --w--------h---!        once both have gone
   * reader 3   ---w-----------h--      behind the writer
   * ```
   *
   * @throws InvalidOptionError for a key no server can carry, on etcd v2
   */
  readLock(key: string): Lock;
  /** The lock that keeps out readers and other writers of the key, as a mutex does. @throws InvalidOptionError as {@link readLock} */
  writeLock(key: string): Lock;
  /**
   * Several locks of these `Locks` as one, of any kinds, over keys that are all different: one request queues for all
   * of them, so they are held all or none, and no order of taking them can deadlock. The loss of one is the loss of
   * all. Its key is those of its members, with ` + ` between them, and its token is one for all.
   *
   * ```text
   * a          h------!
   * b          -h---------!
   * all(a, b)  --w--------h---!      once both are free, and nobody who came later got one of them meanwhile
   * a          ----w----------h      behind it
   * ```
   *
   * @throws InvalidOptionError for no lock, a key twice, a lock of other `Locks`, more than the server takes, on etcd v2
   * @example
   * const transfer = locks.all(locks.mutex('accounts/1'), locks.mutex('accounts/2'), locks.readLock('rates'));
   * await transfer.use(() => fetch('http://127.0.0.1/transfer', { method: 'POST' }));
   */
  all(...members: readonly Lock[]): AllLock;
  /**
   * An election of that name. All that is campaigned for and proclaimed through one object belongs together.
   *
   * @throws InvalidOptionError for a name no server can carry, or on etcd v2, where `whileLeader` over a mutex does
   * @example
   * const election = locks.election('scheduler');
   * election.leader$.subscribe(console.log);
   * election.campaign$('10.0.0.1:8080').subscribe();
   */
  election(name: string): Election;
  /**
   * Work that one of the fleet does, and that stays done for `keep` milliseconds: see `runOnce`. The key is the mutex
   * under which it runs; what came of it is written beside that.
   *
   * @typeParam T what its runs produce: what JSON gives back as it was
   * @param options.keep how long it stays done, milliseconds: longer than the clocks of the fleet differ
   * @throws InvalidOptionError for a key no server can carry, for `keep` below a second or above a year
   * @example
   * const report = locks.once<{ readonly total: number }>('reports/2026-11-28', { keep: 2 * 24 * 3600_000 });
   */
  once<T = unknown>(key: string, options: OnceOptions): Once<T>;
  /**
   * Who holds what among all keys that begin with the prefix, without contending: all at once when the server has
   * answered, then every change. Says so while the server cannot be followed, and goes on when it can be again; never
   * errors, completes with {@link close}. All keys below the prefix should be locks: any other looks like one.
   * One watch for all who subscribe to what one call returns.
   *
   * @throws InvalidOptionError for a prefix that is no text, or on etcd v2
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
   * For health checks: resolves when the server answers and lets these locks be read, which is a read of the queue of
   * one key. It says nothing about writing: `rxlock check` takes a lock.
   *
   * Rejects with {@link BackendError} when there is no answer within 5 seconds (`within`), or a refusal.
   *
   * @example
   * await locks.ping({ within: 1_000 });
   */
  ping(options?: PingOptions): Promise<void>;
  /**
   * Stops every stream of these locks with a {@link LocksClosedError}, releases what was held, withdraws what was
   * queued, ends the session. Resolves when the server has acknowledged, after 2 seconds at the latest.
   *
   * With `drain`, who holds may finish first, for so many milliseconds at the most; who waits is withdrawn at once, and
   * nobody new contends. Called again without it, the drain is over.
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
