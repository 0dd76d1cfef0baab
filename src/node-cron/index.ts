/**
 * `rxlock/node-cron`: each tick of a schedule runs once in the fleet, even if the clocks differ.
 *
 * @packageDocumentation
 */
import { lastValueFrom } from 'rxjs';
import { checkedNames } from '../api/known-options.js';
import { checkedLocks } from '../api/shapes.js';
import type { HeldLock, Locks, Once } from '../index.js';

/**
 * The interface that node-cron (4.4 or newer) takes as `runCoordinator` of a task, or for all tasks with
 * `setRunCoordinator`.
 */
export interface RunCoordinator {
  shouldRun(key: string, ttlMs: number): Promise<boolean>;
  onComplete(key: string): Promise<void>;
}

/** The options of {@link runCoordinator}. */
export interface RunCoordinatorOptions {
  /** How long a tick stays done, milliseconds; a day by default. Give more than the clocks of the fleet differ. */
  readonly keep?: number | undefined;
  /** Put before the names of the tasks; `cron/` by default. */
  readonly prefix?: string | undefined;
}

/** The key contains the tick, so its marker may go once no clock can be that late. */
const DEFAULT_KEEP = 24 * 60 * 60 * 1000;

/**
 * A run coordinator for node-cron. Of all instances with a task of the same name, one runs each tick. The others wait
 * until it is done, so that one of them runs it if the first one dies. The key contains the tick, as node-cron gives
 * it.
 *
 * - A failed run counts as done, too: node-cron does not tell a coordinator how a run ended.
 * - A run whose lock is lost (its process was cut off from the server) goes on: node-cron cannot stop it. Another
 *   instance then runs the same tick. node-cron logs that the first run could not be marked as done.
 *
 * @throws InvalidOptionError for anything but a `Locks`, for unknown options, for a `keep` below a second or above a year
 * @example
 * import { runCoordinator } from 'rxlock/node-cron';
 * const coordinator = runCoordinator(createLocks(etcd3Backend({ hosts: 'http://10.0.0.1:2379' })));
 * // cron.schedule('0 3 * * *', report, { name: 'report', distributed: true, runCoordinator: coordinator });
 */
export function runCoordinator(locks: Pick<Locks, 'once'>, options: RunCoordinatorOptions = {}): RunCoordinator {
  checkedNames('runCoordinator', options);
  const { keep = DEFAULT_KEEP, prefix = 'cron/' } = options;
  checkedLocks(locks);
  // Not at the first tick only, which may be at night.
  locks.once(`${prefix}check`, { keep });
  const runs = new Map<string, { readonly once: Once<unknown>; readonly held: HeldLock }>();
  return {
    shouldRun: (key) =>
      new Promise((resolve, reject) => {
        const once = locks.once(prefix + key, { keep });
        once.turn$().subscribe({
          next: (state) => {
            if (state.status === 'done') resolve(false);
            if (state.status !== 'held') return;
            runs.set(key, { once, held: state.held });
            resolve(true);
          },
          error: reject,
        });
      }),
    async onComplete(key) {
      const run = runs.get(key);
      if (!run) return;
      runs.delete(key);
      try {
        await lastValueFrom(run.once.mark$(run.held), { defaultValue: undefined });
      } finally {
        if (run.held.isHeld()) await run.held.release();
      }
    },
  };
}
