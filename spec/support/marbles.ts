/**
 * The cast of the marble specs: one server, clients whose lease is 12 frames, margin 2, renewed every 4.
 *
 * Diagrams name what a contender sees: `w` waiting, `h` held.
 */
import { map } from 'rxjs';
import type { Observable } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import type { LockState } from '../../src/index.js';
import { lockServer } from '../../src/testing/index.js';
import type { LockServer, LockServerOptions } from '../../src/testing/index.js';

export const TIMES = { ttl: 12, safetyMargin: 2, renewEvery: 4 } as const;

export const serverOf = (m: { readonly scheduler: TestScheduler }, options?: LockServerOptions): LockServer => lockServer(m.scheduler, options);

/** The states of a contender as letters. */
export const letters = (states$: Observable<LockState>): Observable<string> =>
  states$.pipe(map(({ status }) => (status === 'held' ? 'h' : 'w')));
