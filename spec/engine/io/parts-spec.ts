/**
 * The small parts of the engine: work in the background, the gate, the timeouts, the users of a session.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, mergeMap, timer } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { timeOf } from '../../../src/time/clock.js';
import { createBackground } from '../../../src/engine/io/background.js';
import type { Job } from '../../../src/engine/io/background.js';
import { createLimiter } from '../../../src/engine/io/limiter.js';
import type { LimitedJob } from '../../../src/engine/io/limiter.js';
import { SharedSession } from '../../../src/engine/sessions.js';
import type { SessionUser } from '../../../src/engine/sessions.js';
import { createDeadlines } from '../../../src/engine/io/deadlines.js';
import { engineOf } from '../../support/engines.js';
import { atFrame } from '../../support/marbles.js';

describe('work in the background', () => {
  const job = (stop: () => void = () => undefined): Job => ({ stop });
  const idleness = (background: ReturnType<typeof createBackground>): { isIdle: boolean } => {
    const seen = { isIdle: false };
    background.idle$.subscribe({ complete: () => (seen.isIdle = true) });
    return seen;
  };

  it('is idle at once when there is none', () => {
    expect(idleness(createBackground(() => undefined)).isIdle).toBe(true);
  });

  it('is idle when the last of it has ended', () => {
    const background = createBackground(() => undefined);
    const [one, other] = [job(), job()];
    background.begin(one);
    background.begin(other);
    const seen = idleness(background);
    background.end(one);
    expect(seen.isIdle).toBe(false);
    background.end(one);
    background.end(job());
    expect(seen.isIdle).toBe(false);
    background.end(other);
    expect(seen.isIdle).toBe(true);
    background.begin(one);
    expect(idleness(background).isIdle).toBe(false);
  });

  it('is stopped all of it, though each that is stopped ends', () => {
    const background = createBackground(() => undefined);
    const stopped: number[] = [];
    for (const n of [1, 2, 3]) {
      const one = job(() => {
        stopped.push(n);
        background.end(one);
      });
      background.begin(one);
    }
    const seen = idleness(background);
    background.stop();
    expect(stopped).toEqual([1, 2, 3]);
    expect(seen.isIdle).toBe(true);
  });

  it('tells what failed for good', () => {
    const told: unknown[] = [];
    createBackground((error) => told.push(error)).failed('no');
    expect(told).toEqual(['no']);
  });
});

describe('a gate', () => {
  /** Visitors by name, and who was admitted in which order; each does as told when its turn comes. */
  const visits = (most: number) => {
    const gate = createLimiter(most);
    const admitted: string[] = [];
    const visitor = (name: string, then: (self: LimitedJob) => void = () => undefined): LimitedJob => {
      const self: LimitedJob = {
        admitted: () => {
          admitted.push(name);
          then(self);
        },
      };
      return self;
    };
    return { gate, admitted, visitor };
  };

  it('lets so many in, the others when one leaves, in the order of their coming', () => {
    const { gate, admitted, visitor } = visits(2);
    const [a, b, c, d] = [visitor('a'), visitor('b'), visitor('c'), visitor('d')];
    for (const one of [a, b, c, d]) gate.enter(one);
    expect(admitted).toEqual(['a', 'b']);
    gate.leave(b);
    expect(admitted).toEqual(['a', 'b', 'c']);
    gate.leave(b);
    expect(admitted).toEqual(['a', 'b', 'c']);
    gate.leave(a);
    expect(admitted).toEqual(['a', 'b', 'c', 'd']);
  });

  it('forgets who leaves before its turn', () => {
    const { gate, admitted, visitor } = visits(1);
    const [a, b, c] = [visitor('a'), visitor('b'), visitor('c')];
    for (const one of [a, b, c]) gate.enter(one);
    gate.leave(b);
    expect(admitted).toEqual(['a']);
    gate.leave(a);
    expect(admitted).toEqual(['a', 'c']);
  });

  it('counts nobody who was never there', () => {
    const { gate, admitted, visitor } = visits(1);
    gate.enter(visitor('a'));
    gate.leave(visitor('stranger'));
    gate.enter(visitor('b'));
    expect(admitted).toEqual(['a']);
  });

  it('lets in one after another those who leave at once, without growing the stack', () => {
    const { gate, admitted, visitor } = visits(1);
    let depth = 0;
    let deepest = 0;
    const first = visitor('first');
    gate.enter(first);
    for (let n = 0; n < 5; n += 1) {
      gate.enter(
        visitor(String(n), (self) => {
          depth += 1;
          deepest = Math.max(deepest, depth);
          gate.leave(self);
          depth -= 1;
        }),
      );
    }
    gate.leave(first);
    expect(admitted).toEqual(['first', '0', '1', '2', '3', '4']);
    expect(deepest).toBe(1);
    const last = visitor('last');
    gate.enter(last);
    expect(admitted).toContain('last');
  });
});

describe('timeouts', () => {
  const sleepers = (m: Parameters<Parameters<typeof marbles>[0]>[0]) => {
    const timeouts = createDeadlines(timeOf({ scheduler: m.scheduler }));
    const woken: string[] = [];
    const sleeper = (name: string) => ({ timedOut: () => void woken.push(`${String(m.scheduler.now())} ${name}`) });
    return { timeouts, woken, sleeper };
  };

  it(
    'wake each sleeper after its time, whatever the lengths',
    marbles((m) => {
      const { timeouts, woken, sleeper } = sleepers(m);
      timeouts.set(5, sleeper('a'));
      timeouts.set(3, sleeper('b'));
      atFrame(m, 2, () => timeouts.set(5, sleeper('c')));
      atFrame(m, 20, () => timeouts.set(5, sleeper('d')));
      m.flush();
      expect(woken).toEqual(['3 b', '5 a', '7 c', '25 d']);
    }),
  );

  it(
    'count from when they were set last, and not when cleared',
    marbles((m) => {
      const { timeouts, woken, sleeper } = sleepers(m);
      const [again, cleared] = [sleeper('again'), sleeper('cleared')];
      timeouts.set(5, again);
      timeouts.set(5, cleared);
      atFrame(m, 3, () => timeouts.set(5, again));
      atFrame(m, 4, () => timeouts.clear(5, cleared));
      timeouts.clear(9, cleared);
      m.flush();
      expect(woken).toEqual(['8 again']);
    }),
  );

  it(
    'wake nobody once stopped, and leave no timer',
    marbles((m) => {
      const { timeouts, woken, sleeper } = sleepers(m);
      timeouts.set(5, sleeper('a'));
      timeouts.set(7, sleeper('b'));
      atFrame(m, 1, () => timeouts.stop());
      atFrame(m, 2, () => timeouts.set(7, sleeper('c')));
      m.flush();
      expect(woken).toEqual(['9 c']);
    }),
  );
});

describe('a session of many', () => {
  it(
    'tells nobody who has left while another one was told',
    marbles((m) => {
      const backend = memoryBackend({ scheduler: m.scheduler });
      const grant: typeof backend.grant = (...asked) =>
        timer(1, m.scheduler).pipe(mergeMap(() => backend.grant(...asked)));
      const sessions = new SharedSession(engineOf(m.scheduler, { backend: { ...backend, grant, renew: () => NEVER } }));
      const told: string[] = [];
      const user = (name: string, then: { opened?: () => void; ended?: () => void } = {}): SessionUser => ({
        onSession: () => {
          told.push(`${name} opened`);
          then.opened?.();
        },
        onSessionEnd: () => {
          told.push(`${name} ended`);
          then.ended?.();
        },
      });
      const [late, gone] = [user('late'), user('gone')];
      const first = user('first', { opened: () => sessions.leave(gone), ended: () => sessions.leave(late) });
      for (const one of [first, gone, late]) sessions.join(one);
      m.flush();
      expect(told).toEqual(['first opened', 'late opened', 'first ended']);
    }),
  );

  it.each<[string, number, number | undefined, number]>([
    ['stays for a ttl after the last of them has left', 5, undefined, 5 + 12],
    ['ends at once when the last of them leaves after the close', 5, 3, 5],
    ['ends at the close if all of them have left before', 5, 8, 8],
  ])('%s', (_, leave, close, end) => {
    marbles((m) => {
      const backend = memoryBackend({ scheduler: m.scheduler });
      const revoked: number[] = [];
      const revoke: typeof backend.revoke = (...asked) => {
        revoked.push(m.scheduler.now());
        return backend.revoke(...asked);
      };
      const sessions = new SharedSession(engineOf(m.scheduler, { backend: { ...backend, revoke } }));
      const ended: unknown[] = [];
      const user: SessionUser = { onSession: () => undefined, onSessionEnd: (error) => ended.push(error) };
      sessions.join(user);
      atFrame(m, leave, () => sessions.leave(user));
      if (close !== undefined) atFrame(m, close, () => sessions.close());
      m.flush();
      expect(revoked).toEqual([end]);
      expect(ended).toEqual([]);
    })();
  });
});
