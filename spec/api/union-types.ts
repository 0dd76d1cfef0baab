/** Compiles: types only, read by npm run check. */
// Right: compiles, as the same projections do with RxJS's switchMap, defer and using.
import { of } from 'rxjs';
import type { Observable } from 'rxjs';
import { createLocks, usingLock, whileLeader } from '../../src/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
const lock = createLocks(memoryBackend()).mutex('a');
declare const flag: boolean;
export const a: Observable<number | string> = usingLock(lock, () => (flag ? of(1) : of('a')));
export const b: Observable<number | string> = whileLeader(lock, () => (flag ? of(1) : Promise.resolve('a')));

interface Job {
  readonly id: number;
}
declare const job: Job;
declare const maybe: number | undefined;
lock.lock$({ meta: job, wait: maybe });
export const c: Promise<number | undefined> = lock.use(() => 1, { onBusy: 'skip' });
export const d: Promise<number> = lock.use(() => 1);
