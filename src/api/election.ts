/**
 * An election: who leads, and what the leader says of itself.
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
      /** What it proposed, or proclaimed since. Empty for who holds a lock of that name and is no candidate. */
      readonly value: string;
      readonly fencingToken: bigint;
      /** How many candidates queue behind it. */
      readonly waiting: number;
      /** Writes the token as a string: JSON has no bigint. */
      toJSON(): JsonValue;
    }
  | { readonly status: 'unknown'; readonly key: string; readonly cause: Error };

/** How to campaign. */
export type CampaignOptions = Pick<ContendOptions, 'wait' | 'signal' | 'waitSignal' | 'onBusy'>;

/**
 * One of many leads, and everybody sees what it says of itself. Written as Go's `concurrency.Election` does: candidates
 * of rxlock, of Go services and of `etcdctl elect` queue behind each other and see each other's values.
 */
export interface Election {
  readonly name: string;

  /**
   * A candidate while subscribed, the leader while subscribed. Emits once, when it leads; errors when it leads no more.
   *
   * ```text
   * subscribed   ^-----------------!
   * campaign$    -----h-------------      h: leads
   * leader$      f--A-B-----C------f      A: another one's value   B: ours   C: proclaimed since   f: free
   * ```
   *
   * The endings are those of {@link Lock.lock$}. To run something while it leads, and to campaign anew after a loss,
   * give {@link candidate} to `usingLock`, `whileLeader` or any other operator.
   *
   * @param value what all see while it leads, as it stands
   * @throws InvalidOptionError at the call, for a value that is no text, too long, or reads as the claim of a lock
   * @example
   * const election = locks.election('scheduler');
   * const leading = election.campaign$('10.0.0.1:8080').subscribe((held) => console.log('we lead', held.fencingToken));
   * leading.unsubscribe(); // steps down
   */
  campaign$(value: string, options?: CampaignOptions): Observable<HeldLock>;

  /**
   * The same as a lock, for all that takes one. `meta` is not stored: there is room for the value only.
   *
   * @throws InvalidOptionError as {@link campaign$}
   * @example
   * const election = locks.election('scheduler');
   * whileLeader(election.candidate('10.0.0.1:8080'), () => jobs$.pipe(concatMap(run))).subscribe();
   */
  candidate(value: string): Lock;

  /**
   * Changes the value while a candidate of this election object leads. One after another; resolves when it is written.
   * Rejects with {@link LockNotOwnedError} when none leads (any more), with {@link BackendError} when the server refuses.
   *
   * @throws InvalidOptionError at the call, as {@link campaign$}
   * @example
   * const election = locks.election('scheduler');
   * election.campaign$('starting').subscribe(() => void election.proclaim('10.0.0.1:8080'));
   */
  proclaim(value: string): Promise<void>;

  /** The same as a stream: asked for when it is subscribed to, emits once when it is written, and completes. */
  proclaim$(value: string): Observable<void>;
  /**
   * Who leads, without campaigning: the latest state at once, then every change. Says `unknown` while the server cannot
   * be followed, and goes on when it can be again; never errors, completes with `close()`.
   *
   * @example
   * locks.election('scheduler').leader$.subscribe((leader) => {
   *   if (leader.status === 'led') console.log('ask', leader.value);
   * });
   */
  readonly leader$: Observable<Leader>;
}
