/**
 * The job of the demo: every line of a file is a task, to be done once, by whichever worker gets its lock.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { EMPTY, concatMap, defer, delayWhen, from, map, mergeMap, timer } from 'rxjs';
import { usingLock } from 'rxlock';

/** The lines of a file, each with the key of its lock. */
export const readTasks = (file) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, index) => ({ number: index + 1, line, key: `demo/lines/${String(index + 1).padStart(3, '0')}` }));

/** Starting at another place each, workers rarely meet; going round, each looks after what the others left. */
export const startingAt = (tasks, start) => [...tasks.slice(start), ...tasks.slice(0, start)];

/**
 * Does what is not done yet, line by line; emits each line that this worker did.
 *
 * @param marks where it is written that a line is done: `isDone(task)` and `markDone(task, result, held)`, Observables
 * @param beforeMark is waited for between work and mark: where the demo lets a worker die
 */
export const work$ = ({ tasks, locks, marks, beforeMark }) =>
  from(tasks).pipe(
    concatMap((task) => {
      // What `withLock` does, with the HeldLock in hand: the mark is guarded by it.
      const once$ = usingLock(locks.mutex(task.key), (held) =>
        unlessDone(marks, task, () =>
          digest$(task).pipe(
            delayWhen(() => beforeMark(task)),
            mergeMap((result) => marks.markDone(task, result, held)),
            map(() => task),
          ),
        ),
      );
      // A look before the lock saves waiting for lines long done; the look under it is the one that counts.
      return unlessDone(marks, task, () => once$);
    }),
  );

const unlessDone = (marks, task, then) => marks.isDone(task).pipe(mergeMap((done) => (done ? EMPTY : then())));

/** The work on a line: takes its time. */
const digest$ = ({ line }) =>
  defer(() => {
    const result = createHash('sha256').update(line).digest('hex').slice(0, 12);
    return timer(80 + (parseInt(result.slice(0, 2), 16) % 120)).pipe(map(() => result));
  });
