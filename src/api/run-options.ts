/**
 * How to run what one of a fleet runs for all, checked once at the edge.
 */
import { InvalidOptionError } from './errors.js';
import { checkedNames } from './known-options.js';
import { checkedAcquireOptions } from './options.js';
import type { ContendOptions } from './options.js';

/** The options of {@link Locks.once}. */
export interface OnceOptions {
  /** How long it stays done, milliseconds: until then nobody runs it again. etcd counts whole seconds, at least 2. */
  readonly keep: number;
}

/** How to take part. */
export interface RunOptions extends Pick<ContendOptions, 'signal' | 'waitSignal' | 'meta'> {
  /**
   * How long a run may take, milliseconds: then its lock is lost, with reason `overdue`, it is not done, and the next one
   * runs it. `Infinity` by default.
   */
  readonly atMost?: number | undefined;
  /** How long to wait for the result of another one, or for the turn to run it, milliseconds. `Infinity` by default. */
  readonly wait?: number | undefined;
  /**
   * What becomes of who finds it being run by another one. `error` by default: it waits, as long as `wait` says, then
   * an {@link AlreadyLockedError} or a {@link LockTimeoutError}. `skip`: it completes without a value, at once unless
   * `wait` is given.
   */
  readonly onBusy?: 'error' | 'skip' | undefined;
  /**
   * What a failure of the run means. `retry` by default: it is not done, the next of the fleet runs it. `count`: it is
   * done, the others get a {@link RunFailedError}.
   */
  readonly failures?: 'retry' | 'count' | undefined;
}

/** What a contention takes of them, and what a run does. */
export interface CheckedRunOptions {
  readonly contend: ContendOptions;
  readonly failures: 'retry' | 'count';
}

/** Checked and completed, or an InvalidOptionError. */
export function checkedRunOptions(options: RunOptions): CheckedRunOptions {
  checkedNames('runOnce', options);
  const { failures = 'retry', onBusy, wait = onBusy === 'skip' ? 0 : Infinity, ...rest } = options;
  const contend: ContendOptions = { ...rest, onBusy, wait };
  checkedAcquireOptions(contend);
  if (!['retry', 'count'].includes(failures)) {
    throw new InvalidOptionError('failures', failures, "give 'retry' or 'count'.");
  }
  return { contend, failures };
}

/** Longer, and nobody would know any more why it is not run. */
const LONGEST_KEEP = 366 * 24 * 60 * 60 * 1000;

/** The milliseconds to keep, or an InvalidOptionError. `isVirtual`: for durations that are frames of a marble diagram. */
export function checkedKeep(options: OnceOptions, isVirtual = true): number {
  checkedNames('once', options);
  const { keep } = options;
  const refuse = (advice: string): never => {
    throw new InvalidOptionError('keep', keep, advice);
  };
  if (typeof keep !== 'number' || !(keep > 0)) {
    return refuse(
      'give milliseconds: how long the work stays done. Choose more than the clocks of your machines differ.',
    );
  }
  if (keep > LONGEST_KEEP) return refuse('more than a year. If it must never run again, record that in a database.');
  if (keep < 1000 && !isVirtual) return refuse('it is in milliseconds, and at least 1000.');
  return keep;
}
