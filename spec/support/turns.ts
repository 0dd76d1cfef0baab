/**
 * Turns of the key `k`, as marbles tell them.
 */
import { EMPTY, map, mergeMap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Locks, Once, OnceState, RunOptions } from '../../src/index.js';
import { codes } from './marbles.js';

export const onceOf = (locks: Locks): Once<string> => locks.once<string>('k', { keep: 100 });

/** How many are ahead, `w` where nobody knows, `h` for our turn, `d` for done. */
const told = (state: OnceState<string>): string =>
  state.status === 'waiting' ? String(state.ahead ?? 'w') : state.status === 'held' ? 'h' : 'd';

export const turn$ = (locks: Locks, options?: RunOptions): Observable<string> =>
  onceOf(locks).turn$(options).pipe(map(told), codes());

/** Why the one that holds is asked to give it back. */
export const asked$ = (locks: Locks): Observable<string> =>
  onceOf(locks)
    .turn$()
    .pipe(
      mergeMap((state) => (state.status === 'held' ? state.held.revocation$ : EMPTY)),
      map(({ reason }) => reason),
    );
