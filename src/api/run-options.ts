/**
 * The options of `once` and `runOnce`, checked once, at the call.
 */
import { InvalidOptionError } from './errors.js';
import { checkedNames } from './known-options.js';
import { checkedAcquireOptions } from './options.js';
import type { ContendOptions } from './options.js';

/** The options of {@link Locks.once}. */
export interface OnceOptions {
  /**
   * How long the work stays done, milliseconds: until then nobody runs it again. etcd counts whole seconds, at least 2.
   */
  readonly keep: number;
}

/** The options of `runOnce`. */
export interface RunOptions extends Pick<ContendOptions, 'signal' | 'waitSignal' | 'meta'> {
  /**
   * How long a run may take, milliseconds. After that its lock is lost, with reason `overdue`; the work is not done,
   * and the next process runs it. `Infinity` by default.
   */
  readonly atMost?: number | undefined;
  /**
   * How long to wait for the result of another process, or for our turn to run the work, milliseconds. `Infinity` by
   * default.
   */
  readonly wait?: number | undefined;
  /**
   * What happens while another process runs the work. `error`, the default: the stream waits as long as `wait` says,
   * then errors with an {@link AlreadyLockedError} or a {@link LockTimeoutError}. `skip`: it completes without a value,
   * at once unless `wait` is given.
   */
  readonly onBusy?: 'error' | 'skip' | undefined;
  /**
   * What a failed run means. `retry`, the default: the work is not done, and the next process runs it. `count`: the
   * work counts as done, and the others get a {@link RunFailedError}.
   */
  readonly failures?: 'retry' | 'count' | undefined;
}

/** The options, split into those of contending and those of the run. */
export interface CheckedRunOptions {
  readonly contend: ContendOptions;
  readonly failures: 'retry' | 'count';
}

/** Checks and completes the options, or throws an InvalidOptionError. */
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

/** After a longer time nobody would remember why the work does not run. */
const LONGEST_KEEP = 366 * 24 * 60 * 60 * 1000;

/**
 * The milliseconds to keep. Throws an InvalidOptionError. `isVirtual`: durations are frames of a marble diagram, and
 * may be short.
 */
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
