/**
 * An election: who leads, and the value that the leader publishes.
 */
import type { Observable } from 'rxjs';
import type { JsonValue } from './json.js';
import type { HeldLock, Lock } from './lock.js';
import type { ContendOptions } from './options.js';

/** Who leads, seen from outside. `unknown` while the server cannot be followed, which may take half a ttl to find out. */
export type Leader =
  | { readonly status: 'free'; readonly key: string }
  | {
      readonly status: 'led';
      readonly key: string;
      /**
       * The value that the leader proposed, or its latest proclamation. Empty if the holder is no candidate, but holds
       * a lock of that name.
       */
      readonly value: string;
      readonly fencingToken: bigint;
      /** Writes the token as a string: JSON has no bigint. */
      toJSON(): JsonValue;
    }
  | { readonly status: 'unknown'; readonly key: string; readonly cause: Error };

/** How to campaign. */
export type CampaignOptions = Pick<ContendOptions, 'wait' | 'signal' | 'waitSignal' | 'onBusy'>;

/**
 * One of many candidates leads, and everybody sees the value that it publishes. Key and value are written as Go's
 * `concurrency.Election` writes them: candidates of rxlock, of Go services and of `etcdctl elect` queue behind each
 * other and see each other's values.
 */
export interface Election {
  readonly name: string;

  /**
   * Campaigns while subscribed, and leads while subscribed. Emits once, when this candidate leads; errors when it has
   * lost the lead.
   *
   * ```text
   * subscribed   ^-----------------!
   * campaign$    -----h-------------      h: leads
   * leader$      f--A-B-----C------f      A: another one's value   B: ours   C: proclaimed since   f: free
   * ```
   *
   * The endings are those of {@link Lock.lock$}. To run something while this candidate leads, and to campaign again
   * after a loss, give {@link candidate} to `usingLock`, `whileLeader` or any other operator.
   *
   * @param value the text that all observers see while this candidate leads, unchanged
   * @throws InvalidOptionError at the call, for a value that is not a string, is too long, or could be read as the
   *   claim of a lock
   * @example
   * const election = locks.election('scheduler');
   * const leading = election.campaign$('10.0.0.1:8080').subscribe((held) => console.log('we lead', held.fencingToken));
   * leading.unsubscribe(); // steps down
   */
  campaign$(value: string, options?: CampaignOptions): Observable<HeldLock>;

  /**
   * The same campaign as a `Lock`, for everything that takes a lock. `meta` is not stored: there is room for the value
   * only.
   *
   * @throws InvalidOptionError as {@link campaign$}
   * @example
   * const election = locks.election('scheduler');
   * whileLeader(election.candidate('10.0.0.1:8080'), () => jobs$.pipe(concatMap(run))).subscribe();
   */
  candidate(value: string): Lock;

  /**
   * Changes the value while a candidate of this election object leads. Proclamations are written one after another;
   * resolves when this one is written. Rejects with {@link LockNotOwnedError} when no such candidate leads (any more),
   * with {@link BackendError} when the server refuses, with {@link InvalidOptionError} for a value as at
   * {@link campaign$}.
   *
   * @example
   * const election = locks.election('scheduler');
   * election.campaign$('starting').subscribe(() => void election.proclaim('10.0.0.1:8080'));
   */
  proclaim(value: string): Promise<void>;

  /**
   * The same as a stream: sends the request when it is subscribed to, emits once when the value is written, and
   * completes.
   */
  proclaim$(value: string): Observable<void>;
  /**
   * Who leads, without campaigning: emits the latest state at once, then again when another one leads, or the leader
   * has proclaimed another value. Candidates that come and go behind the leader change nothing here: `ownership$()` of a
   * {@link candidate} tells how many there are. Emits `unknown` while the server cannot be followed, and the state again
   * when it can. Never errors; completes with `close()`.
   *
   * @example
   * const election = locks.election('scheduler');
   * election.leader$.subscribe((leader) => {
   *   if (leader.status === 'led') console.log('ask', leader.value);
   * });
   * election.candidate('').ownership$().subscribe((now) => {
   *   if (now.status === 'held') console.log(now.waiting, 'more would lead');
   * });
   */
  readonly leader$: Observable<Leader>;
}
