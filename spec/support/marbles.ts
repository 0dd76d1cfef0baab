/**
 * The cast of the marble specs: one server, and clients whose lease is 12 frames with a margin of 2, renewed every 4.
 * So a lock granted at 0 and never renewed is lost at 10, and the server gives it away at 12.
 */
import { filter, map } from 'rxjs';
import type { Observable } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import type { LockEvent } from '../../src/index.js';
import { errorCodes, lockServer, ownershipLetters, stateLetters } from '../../src/testing/index.js';
import type { LockServer, LockServerOptions } from '../../src/testing/index.js';

export const TIMES = { ttl: 12, safetyMargin: 2, renewEvery: 4 } as const;

/** For a network that takes its time: twice of everything. */
export const SLOW = { ttl: 24, safetyMargin: 4, renewEvery: 8 } as const;

interface Marbles {
  readonly scheduler: TestScheduler;
}

export const serverOf = ({ scheduler }: Marbles, options?: LockServerOptions): LockServer =>
  lockServer(scheduler, options);

/** Does something at a frame. */
export const atFrame = ({ scheduler }: Marbles, frame: number, action: () => void): void => {
  scheduler.schedule(action, frame);
};

export { errorCodes as codes, ownershipLetters as seen, stateLetters as letters };

/** The events of some types, each as the first letter that is given for it. */
export const events = (
  events$: Observable<LockEvent>,
  letter: Partial<Record<LockEvent['type'], string>>,
): Observable<string> =>
  events$.pipe(
    map(({ type }) => letter[type]),
    filter((known) => known !== undefined),
  );
