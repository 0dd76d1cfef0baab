/**
 * What specs on real servers wait for, each with an end.
 */
import { filter, firstValueFrom, timeout } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Locks, Ownership } from '../../src/index.js';

/** The first value, or a failure of the spec. */
export const within = <T>(ms: number, source$: Observable<T>): Promise<T> =>
  firstValueFrom(source$.pipe(timeout({ first: ms })));

/** Until a contender of these locks has entered a queue behind others. Ask before it contends. */
export const inLine = (locks: Locks): Promise<unknown> =>
  firstValueFrom(locks.events$.pipe(filter(({ type }) => type === 'queued')));

/** Whether the state is that the holder with this token holds. */
export const ownedBy =
  (token: bigint) =>
  (state: Ownership): boolean =>
    state.status === 'held' && state.holders[0]?.fencingToken === token;

/** Whether the state is that nobody knows. */
export const isUnknown = ({ status }: Ownership): boolean => status === 'unknown';

/** What it rejects with. */
export const failureOf = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(
    () => 'no failure',
    (error: unknown) => error,
  );
