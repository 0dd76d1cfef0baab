/**
 * The network between a machine and the server. A request that was sent is on its way: unsubscribing does not call it
 * back, and it may arrive after what was sent later.
 */
import { Observable } from 'rxjs';
import { decorate } from '../../src/backend/decorate.js';
import { BackendError } from '../../src/index.js';
import type { LockBackend } from '../../src/index.js';
import type { Machine } from './machine.js';
import type { World } from './world.js';

export interface Wire {
  readonly backend: LockBackend;
  partition(ms: number): void;
  /** Requests arrive, replies are lost. */
  loseReplies(ms: number): void;
  /** Replies take up to this much longer. */
  slow(ms: number, by: number): void;
  /** The next event of a watch gets lost, and its stream goes on: servers have had such bugs. */
  loseNextEvent(): void;
  /** The server has gone, and is back at the instant: what was under way is lost, and connections break. */
  serverGone(until: number): void;
  /** From now on every message arrives, soon. */
  heal(): void;
}

/** How messages travel: up to `latency` each way, and some of them nowhere. */
export interface Weather {
  readonly latency: number;
  readonly loss: number;
}

export function createWire(
  world: World,
  machine: Machine,
  server: LockBackend,
  weather: Weather,
  random: () => number,
): Wire {
  let cutUntil = 0;
  let repliesLostUntil = 0;
  let slowUntil = 0;
  let slowBy = 0;
  let goneUntil = 0;
  /** How many times the server has gone: what was sent to or by an earlier one arrives nowhere. */
  let life = 0;
  let healed = false;
  let eventsToLose = 0;
  const streams = new Set<() => void>();

  const delay = (): number => {
    if (healed) return 1 + random() * 4;
    return random() * weather.latency;
  };
  const slowness = (): number => (world.now() < slowUntil ? random() * slowBy : 0);
  const arrives = (): boolean => world.now() >= cutUntil && (healed || random() >= weather.loss);

  const reset = (): BackendError => new BackendError('the connection was reset', { retryable: true });

  /** While the server is away its port is closed, which is soon known. */
  const isRefused = (refuse: () => void): boolean => {
    if (world.now() >= goneUntil) return false;
    machine.whenAwake(world.now() + delay(), refuse);
    return true;
  };

  const carry = <T>(request$: Observable<T>): Observable<T> =>
    new Observable((subscriber) => {
      const sent = life;
      if (!arrives() || isRefused(() => subscriber.error(reset()))) return;
      world.at(world.now() + delay(), () => {
        if (world.now() < cutUntil || life !== sent) return;
        request$.subscribe({
          next: (reply) =>
            answer(() => {
              subscriber.next(reply);
              subscriber.complete();
            }),
          error: (error: unknown) => answer(() => subscriber.error(error)),
        });
      });
      const answer = (told: () => void): void => {
        if (!arrives() || world.now() < repliesLostUntil) return;
        machine.whenAwake(world.now() + delay() + slowness(), () => {
          if (world.now() >= cutUntil && life === sent) told();
        });
      };
    });

  /** What is told without being asked for comes in order, or the stream breaks. */
  const follow = <T>(source$: Observable<T>): Observable<T> =>
    new Observable((subscriber) => {
      const opened = life;
      let last = world.now();
      const broken = (): void => subscriber.error(reset());
      streams.add(broken);
      subscriber.add(() => streams.delete(broken));
      if (!arrives() || isRefused(broken)) return;
      world.at(world.now() + delay(), () => {
        if (subscriber.closed || life !== opened) return;
        subscriber.add(
          source$.subscribe((event) => {
            last = Math.max(last, world.now() + delay() + slowness());
            machine.whenAwake(last, () => {
              if (life !== opened) return;
              // In a partition it stays silent, and what was told meanwhile is gone for good. Single events get lost, too:
              // servers have had such bugs, and the engine reads again once in a while for their sake.
              if (eventsToLose > 0) eventsToLose -= 1;
              else if (arrives()) subscriber.next(event);
            });
          }),
        );
      });
    });

  return {
    backend: decorate(server, (source$, { isStream }) => (isStream ? follow(source$) : carry(source$))),
    serverGone(until) {
      life += 1;
      goneUntil = Math.max(goneUntil, until);
      const open = [...streams];
      // Not heard of during a partition, but by the first packet after it.
      machine.whenAwake(Math.max(world.now(), cutUntil) + delay(), () => {
        for (const broken of open) broken();
      });
    },
    partition(ms) {
      cutUntil = Math.max(cutUntil, world.now() + ms);
      // When it ends, some sockets are found broken, others just go on, having missed what they missed.
      machine.whenAwake(cutUntil, () => {
        for (const broken of [...streams]) if (random() < 0.5) broken();
      });
    },
    loseReplies(ms) {
      repliesLostUntil = world.now() + ms;
    },
    slow(ms, by) {
      slowUntil = world.now() + ms;
      slowBy = by;
    },
    loseNextEvent() {
      eventsToLose += 1;
    },
    heal() {
      healed = true;
      cutUntil = repliesLostUntil = slowUntil = goneUntil = 0;
    },
  };
}
