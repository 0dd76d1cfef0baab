/**
 * Work that outlives its subscriber: a release after an unsubscribe, a revoke after a loss.
 */
import { EMPTY, Subject, defer, ignoreElements, take } from 'rxjs';
import type { Observable } from 'rxjs';

export interface Job {
  /** Ends the job: nobody waits for its result any more. */
  stop(): void;
}

export interface Background {
  begin(job: Job): void;
  /** The job has ended, successfully or not. */
  end(job: Job): void;
  /** A job failed for good. It has no subscriber, so the failure becomes an event. */
  failed(error: unknown): void;
  /** Completes when no job is running. */
  readonly idle$: Observable<never>;
  /** Ends all jobs. What they leave on the server ends with its ttl. */
  stop(): void;
  readonly isStopped: boolean;
}

export function createBackground(failed: (error: unknown) => void): Background {
  const underWay = new Set<Job>();
  const idle = new Subject<void>();
  let isStopped = false;

  return {
    failed,
    begin: (job) => underWay.add(job),
    end(job) {
      if (underWay.delete(job) && underWay.size === 0) idle.next();
    },
    idle$: defer(() => (underWay.size === 0 ? EMPTY : idle.pipe(take(1), ignoreElements()))),
    get isStopped() {
      return isStopped;
    },
    stop() {
      isStopped = true;
      for (const job of [...underWay]) job.stop();
    },
  };
}
