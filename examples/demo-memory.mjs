/**
 * The workers of the demo within one process, on the memory backend. One of them dies: its network goes silent in the
 * middle of a line, as that of a killed process does.
 */
import { NEVER, Subject, defer, lastValueFrom, merge, mergeMap, of, takeUntil, tap, timer } from 'rxjs';
import { createLocks } from 'rxlock';
import { memoryBackend } from 'rxlock/memory';
import { behindNetwork } from 'rxlock/testing';
import { startingAt, work$ } from './work.mjs';

export function startFleet({ workers, victim, lastWords, ttl, tasks }) {
  const backend = memoryBackend();
  /** By the number of the line: who marked it done. */
  const done = new Map();

  const marksOf = (worker) => ({
    isDone: ({ number }) => defer(() => of(done.has(number))),
    markDone: ({ number }) =>
      defer(() => {
        done.set(number, [...(done.get(number) ?? []), worker]);
        return of(number);
      }),
  });

  const worker$ = (worker, index, died) =>
    defer(() => {
      const { backend: own, network } = behindNetwork(backend);
      const locks = createLocks(own, { owner: worker, ttl });
      const death = new Subject();
      let mine = 0;
      const beforeMark = (task) => {
        mine += 1;
        if (worker !== victim || mine < lastWords) return of('go on');
        network.partition();
        died(task);
        return timer(0).pipe(
          tap(() => death.next()),
          mergeMap(() => NEVER),
        );
      };
      const order = startingAt(tasks, Math.floor((index * tasks.length) / workers.length));
      return work$({ tasks: order, locks, marks: marksOf(worker), beforeMark }).pipe(takeUntil(death));
    });

  return {
    where: 'the memory backend',
    backend,
    run: ({ died }) =>
      lastValueFrom(merge(...workers.map((worker, index) => worker$(worker, index, died))), {
        defaultValue: undefined,
      }),
    read: () => tasks.map(({ number }) => done.get(number) ?? []),
    reader: 'counted in the table of marks',
    stop: () => undefined,
  };
}
