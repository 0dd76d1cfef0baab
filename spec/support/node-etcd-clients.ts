/**
 * A node-etcd client between a backend and the real one: to see what is asked, and to make it go wrong.
 */
import Etcd from 'node-etcd';
import { Subject, filter, startWith } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Callback, CancellationToken, NodeEtcd } from '../../src/backends/node-etcd/index.js';

export interface WatchedClient extends NodeEtcd {
  /** Long polls that have no answer yet, the most there have been at a time, and all that were asked for. */
  readonly polls: { now: number; most: number; asked: number };
  /** Emits once no long poll is waiting for its answer. */
  readonly idle$: Observable<unknown>;
  /** How often a key was asked to be made. */
  attempts(): number;
  /** From now on nothing is answered, as from a server that stands still; or it is again. */
  freeze(isFrozen: boolean): void;
  /** From now on long polls do not go out, until they are let go. */
  holdPolls(): void;
  letPollsGo(): void;
}

export function watchedClient(url: string): WatchedClient {
  const real = new Etcd(url);
  const polls = { now: 0, most: 0, asked: 0 };
  const pollEnded = new Subject<void>();
  let attempts = 0;
  let isFrozen = false;
  let heldBack: (() => void)[] | undefined;

  const passed = (send: (callback: Callback) => CancellationToken, callback: Callback): CancellationToken => {
    if (isFrozen) return { abort: () => undefined };
    return send((...answer) => {
      if (!isFrozen) callback(...answer);
    });
  };
  const poll = (send: (callback: Callback) => CancellationToken, callback: Callback): CancellationToken => {
    let sent: CancellationToken | undefined;
    let isOver = false;
    polls.asked += 1;
    polls.most = Math.max(polls.most, (polls.now += 1));
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      polls.now -= 1;
      pollEnded.next();
    };
    const go = (): void => {
      if (isOver) return;
      const told: Callback = (...answer) => {
        over();
        callback(...answer);
      };
      sent = passed(send, told);
    };
    if (heldBack) heldBack.push(go);
    else go();
    return {
      abort: () => {
        over();
        sent?.abort();
      },
    };
  };

  return {
    polls,
    idle$: pollEnded.pipe(
      startWith(undefined),
      filter(() => polls.now === 0),
    ),
    attempts: () => attempts,
    freeze: (frozen) => (isFrozen = frozen),
    holdPolls: () => (heldBack = []),
    letPollsGo: () => {
      const waiting = heldBack ?? [];
      heldBack = undefined;
      for (const go of waiting) go();
    },
    get: (key, options, callback) =>
      ('wait' in options ? poll : passed)((told) => real.get(key, options, told), callback),
    set: (key, value, options, callback) => {
      if (options['prevExist'] === false) attempts += 1;
      return passed((told) => real.set(key, value, options, told), callback);
    },
    compareAndDelete: (key, value, options, callback) =>
      passed((told) => real.compareAndDelete(key, value, options, told), callback),
  };
}
