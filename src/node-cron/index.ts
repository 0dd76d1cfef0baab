/**
 * `rxlock/node-cron`: each tick of a schedule once in the fleet, whatever the clocks do.
 *
 * @packageDocumentation
 */
import { lastValueFrom } from 'rxjs';
import type { HeldLock, Locks, Once } from '../index.js';

/** What node-cron 4.4 or newer takes as `runCoordinator` of a task, or for all with `setRunCoordinator`. */
export interface RunCoordinator {
  shouldRun(key: string, ttlMs: number): Promise<boolean>;
  onComplete(key: string): Promise<void>;
}

/** The options of {@link runCoordinator}. */
export interface RunCoordinatorOptions {
  /** How long a tick stays done, milliseconds, a day by default: longer than the clocks of the fleet differ. */
  readonly keep?: number | undefined;
  /** Put before the names of the tasks, `cron/` by default. */
  readonly prefix?: string | undefined;
}

/** A tick is in the key, so all that is kept of it may go once no clock is so late. */
const DEFAULT_KEEP = 24 * 60 * 60 * 1000;

/**
 * A run coordinator for node-cron: of all instances with a task of that name one runs each tick; the others wait until
 * it is done, so that one of them runs it when the first one dies. The tick is in the key, as node-cron says it.
 *
 * - A run that fails is done, too: node-cron does not tell a coordinator how a run has ended.
 * - A run whose lock is lost on the way (its process was cut off from the server) goes on: node-cron cannot stop it.
 *   Another instance runs it then. node-cron logs that the first one could not be marked as done.
 *
 * @throws InvalidOptionError at the first tick, for a `keep` below a second or above a year
 * @example
 * import { runCoordinator } from 'rxlock/node-cron';
 * const coordinator = runCoordinator(createLocks(etcd3Backend({ hosts: 'http://10.0.0.1:2379' })));
 * // cron.schedule('0 3 * * *', report, { name: 'report', distributed: true, runCoordinator: coordinator });
 */
export function runCoordinator(
  locks: Pick<Locks, 'once'>,
  { keep = DEFAULT_KEEP, prefix = 'cron/' }: RunCoordinatorOptions = {},
): RunCoordinator {
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
