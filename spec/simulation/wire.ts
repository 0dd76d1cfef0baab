/**
 * The network between a machine and the server. A request that was sent is on its way: unsubscribing does not call it
 * back, and it may arrive after what was sent later.
 */
import { Observable } from 'rxjs';
import { decorate } from '../../src/backend/decorate.js';
import type { BackendCall } from '../../src/backend/decorate.js';
import type { Header } from '../../src/backends/etcd3/incarnation.js';
import { BackendError } from '../../src/index.js';
import type { Lease, QueueBackend } from '../../src/index.js';
import { createHistory } from './history.js';
import type { Machine } from './machine.js';
import type { World } from './world.js';

export interface Wire {
  readonly backend: QueueBackend;
  partition(ms: number): void;
  /** Requests arrive, replies are lost. */
  loseReplies(ms: number): void;
  /** Requests take up to this much longer: those who sent them may have given up by then. */
  late(ms: number, by: number): void;
  /** Replies take up to this much longer. */
  slow(ms: number, by: number): void;
  /** The next event of a watch gets lost, and its stream goes on: servers have had such bugs. */
  loseNextEvent(): void;
  /** The server has gone, and is back at the instant: what was under way is lost, and connections break. */
  serverGone(until: number): void;
  /** From now on every message arrives, soon. */
  heal(): void;
  /** Until when something that was sent may still be under way. */
  busyUntil(): number;
}

/** How messages travel: up to `latency` each way, and some of them nowhere. */
export interface Weather {
  readonly latency: number;
  readonly loss: number;
}

/** What there is at the other end. */
export interface Remote {
  readonly backend: QueueBackend;
  /** What every answer begins with, and how many times it was restored. */
  header(): Header & { readonly life: number };
  /** A restored server has caught up with what a client knew. */
  hasCaughtUp(): void;
  renews(lease: Lease): boolean;
}

export function createWire(
  world: World,
  machine: Machine,
  server: Remote,
  weather: Weather,
  random: () => number,
): Wire {
  let cutUntil = 0;
  let repliesLostUntil = 0;
  let lateUntil = 0;
  let lateBy = 0;
  let slowUntil = 0;
  let slowBy = 0;
  let goneUntil = 0;
  /** How many times the server has gone: what was sent to or by an earlier one arrives nowhere. */
  let life = 0;
  let healed = false;
  let eventsToLose = 0;
  let busyUntil = 0;
  /** Something is under way until then. */
  const arriving = (instant: number): number => {
    busyUntil = Math.max(busyUntil, instant);
    return instant;
  };
  const streams = new Set<(cause?: BackendError) => void>();

  const delay = (): number => {
    if (healed) return 1 + random() * 4;
    return random() * weather.latency;
  };
  const lateness = (): number => (world.now() < lateUntil ? random() * lateBy : 0);
  const slowness = (): number => (world.now() < slowUntil ? random() * slowBy : 0);
  const arrives = (): boolean => world.now() >= cutUntil && (healed || random() >= weather.loss);

  const reset = (): BackendError => new BackendError('the connection was reset', { retryable: true });

  /** While the server is away its port is closed, which is soon known. */
  const isRefused = (refuse: () => void): boolean => {
    if (world.now() >= goneUntil) return false;
    machine.whenAwake(world.now() + delay(), refuse);
    return true;
  };

  const history = createHistory((cause) => {
    for (const broken of [...streams]) broken(cause);
  }, server.hasCaughtUp);
  /** Of a grant: whether the lease is there already. Granted again it is renewed in any case. */
  const isKnown = (call: BackendCall): boolean => call.verb === 'grant' && server.renews(call.args[0]);

  const carry = <T>(request$: Observable<T>, call: BackendCall): Observable<T> =>
    new Observable((subscriber) => {
      const sent = life;
      const asked = history.asked();
      if (!arrives() || isRefused(() => subscriber.error(reset()))) return;
      world.at(arriving(world.now() + delay() + lateness()), () => {
        if (world.now() < cutUntil || life !== sent) return;
        const wasKnown = isKnown(call);
        request$.subscribe({
          next: (reply) => {
            const told = { ...server.header(), isKnown: wasKnown };
            answer(() => {
              history.answered(asked, call.verb, told);
              subscriber.next(reply);
              subscriber.complete();
            });
          },
          error: (error: unknown) => answer(() => subscriber.error(error)),
        });
      });
      const answer = (told: () => void): void => {
        if (!arrives() || world.now() < repliesLostUntil) return;
        machine.whenAwake(arriving(world.now() + delay() + slowness()), () => {
          // What nobody waits for any more is not heard.
          if (world.now() >= cutUntil && life === sent && !subscriber.closed) told();
        });
      };
    });

  /** What is told without being asked for comes in order, or the stream breaks. */
  const follow = <T>(source$: Observable<T>, call: BackendCall): Observable<T> =>
    new Observable((subscriber) => {
      const opened = life;
      const asked = history.asked();
      // Gone on from a view that is known, nothing is read.
      let isRead = call.verb === 'queue' && call.args[2] !== undefined;
      let last = world.now();
      const broken = (cause: BackendError = reset()): void => subscriber.error(cause);
      streams.add(broken);
      subscriber.add(() => streams.delete(broken));
      if (!arrives() || isRefused(() => broken())) return;
      world.at(world.now() + delay(), () => {
        if (subscriber.closed || life !== opened) return;
        subscriber.add(
          source$.subscribe((event) => {
            const told = isRead ? undefined : { ...server.header(), isKnown: false };
            isRead = true;
            last = arriving(Math.max(last, world.now() + delay() + slowness()));
            machine.whenAwake(last, () => {
              if (life !== opened || subscriber.closed) return;
              // In a partition it stays silent, and what was told meanwhile is gone for good. Single events get lost, too:
              // servers have had such bugs, and the engine reads again once in a while for their sake.
              if (eventsToLose > 0) eventsToLose -= 1;
              else if (arrives()) {
                if (told) history.answered(asked, call.verb, told);
                // Unless the history was found to be another one by that, and the stream broken.
                subscriber.next(event);
              }
            });
          }),
        );
      });
    });

  return {
    busyUntil: () => busyUntil,
    backend: history.around(
      decorate(server.backend, (source$, call) => (call.isStream ? follow(source$, call) : carry(source$, call))),
    ),
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
    late(ms, by) {
      lateUntil = world.now() + ms;
      lateBy = by;
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
      cutUntil = repliesLostUntil = lateUntil = slowUntil = goneUntil = 0;
    },
  };
}
