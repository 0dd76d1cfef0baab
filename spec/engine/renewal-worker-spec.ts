/**
 * Renewals from a worker, as the engine sees them: the later one of two deadlines counts.
 */
import { describe, expect, it } from '@jest/globals';
import { Subscription } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import type { QueueBackend, RenewalPlan } from '../../src/backend/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { InvalidOptionError, createLocks } from '../../src/index.js';
import type { LocksOptions } from '../../src/index.js';
import { TIMES, atFrame, events, letters, openServer } from '../support/marbles.js';

const IN_WORKER: LocksOptions = { ...TIMES, renewIn: 'worker' };
const LOST = 'LOCK_LOST expired';

/** A worker that says what it is told to, and notes what it hears. */
class Worker {
  until: number | undefined;
  plan: RenewalPlan | undefined;
  heard = '';

  in(server: QueueBackend): QueueBackend {
    return {
      ...server,
      renewalWorker: (_lease, plan) => {
        this.plan = plan;
        this.heard += 's';
        return {
          alive: () => void (this.heard += 'a'),
          until: () => this.until,
          end: () => void (this.heard += 'e'),
        };
      },
    };
  }
}

describe('a worker that renews', () => {
  it(
    'keeps what is held while our own renewals fail, until the end of its own',
    marbles((m) => {
      const worker = new Worker();
      const a = openServer(m, 0, (memory) => worker.in(memory)).client(IN_WORKER);
      atFrame(m, 5, () => a.network.partition());
      // By our own it would end at 4 + 12 - 2 = 14.
      atFrame(m, 9, () => (worker.until = 25));
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('h----------------------#', undefined, LOST);
    }),
  );

  it(
    'that has renewed less than we have changes nothing',
    marbles((m) => {
      const worker = new Worker();
      const a = openServer(m, 0, (memory) => worker.in(memory)).client(IN_WORKER);
      atFrame(m, 5, () => a.network.partition());
      atFrame(m, 9, () => (worker.until = 11));
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('h-------------#', undefined, LOST);
    }),
  );

  it(
    'that says so after the loss brings nothing back',
    marbles((m) => {
      const worker = new Worker();
      const a = openServer(m, 0, (memory) => worker.in(memory)).client(IN_WORKER);
      atFrame(m, 5, () => a.network.partition());
      atFrame(m, 15, () => (worker.until = 30));
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('h-------------#', undefined, LOST);
    }),
  );

  it(
    'keeps it for the next renewal of our own, as if there had been no pause',
    marbles((m) => {
      const worker = new Worker();
      const a = openServer(m, 0, (memory) => worker.in(memory)).client(IN_WORKER);
      atFrame(m, 5, () => a.network.partition());
      atFrame(m, 9, () => (worker.until = 18));
      atFrame(m, 14, () => a.network.heal());
      const hold = '       ^--------------------------!';
      m.expect(letters(a.mutex('k').lock$()), hold).toBeObservable('h--------------------------');
    }),
  );

  it(
    'is told of each renewal of our own when that is sent, and ends with the lease',
    marbles((m) => {
      const worker = new Worker();
      const a = openServer(m, 0, (memory) => worker.in(memory)).client(IN_WORKER);
      const holding = new Subscription();
      atFrame(m, 0, () => holding.add(a.mutex('k').lock$().subscribe()));
      const heard: string[] = [];
      for (const frame of [1, 5, 9]) atFrame(m, frame, () => heard.push(worker.heard));
      atFrame(m, 10, () => {
        expect(heard).toEqual(['s', 'sa', 'saa']);
        expect(worker.plan).toMatchObject({ renewEvery: 4, attempt: 2, maxStall: 72 });
        holding.unsubscribe();
        void a.close();
      });
      atFrame(m, 12, () => expect(worker.heard).toBe('saae'));
      m.expect(letters(a.mutex('other').lock$()), '^!').toBeObservable('h');
    }),
  );

  it(
    'that cannot be had is said so, and costs nothing else',
    marbles((m) => {
      const worker = new Worker();
      const a = openServer(m, 0, (memory) => worker.in(memory)).client(IN_WORKER);
      atFrame(m, 3, () => worker.plan?.failed(new Error('no such file')));
      const hold = '       ^---------!';
      m.expect(letters(a.mutex('k').lock$()), hold).toBeObservable('h---------');
      m.expect(events(a.events$, { note: 'n' }), hold).toBeObservable('---n------');
      const notes: string[] = [];
      a.events$.subscribe((event) => event.type === 'note' && notes.push(event.message));
      m.flush();
      expect(notes).toEqual(["renewIn: 'worker' has no effect: no such file"]);
    }),
  );

  it('is started for nobody who did not ask for it', () => {
    const worker = new Worker();
    const locks = createLocks(worker.in(memoryBackend()));
    locks.mutex('k').lock$().subscribe().unsubscribe();
    expect(worker.heard).toBe('');
  });
});

describe('what is refused at the call', () => {
  const asked =
    (options: LocksOptions): (() => unknown) =>
    () =>
      createLocks(new Worker().in(memoryBackend()), options);

  it.each<[string, LocksOptions, string]>([
    ['another place', Object.assign<LocksOptions, object>({}, { renewIn: 'thread' }), "give 'main' or 'worker'"],
    ['a stall without a worker', { maxStall: 20_000 }, "renewIn: 'worker'"],
    ['a stall shorter than a ttl', { renewIn: 'worker', ttl: 5000, maxStall: 4999 }, 'at least the ttl'],
    ['a stall that is no time', { renewIn: 'worker', maxStall: NaN }, 'milliseconds'],
  ])('%s', (_, options, advice) => {
    expect(asked(options)).toThrow(InvalidOptionError);
    expect(asked(options)).toThrow(advice);
  });

  it('a worker where the backend has none', () => {
    const locks = (): unknown => createLocks(memoryBackend(), { renewIn: 'worker' });
    expect(locks).toThrow('memory cannot renew in a thread of its own');
  });

  it.each([
    ['six times the ttl', 5000, 30_000],
    ['a minute at most', 20_000, 60_000],
    ['the ttl at least', 120_000, 120_000],
  ])('by default a stall may last %s', async (_, ttl, maxStall) => {
    const worker = new Worker();
    const locks = createLocks(worker.in(memoryBackend()), { renewIn: 'worker', ttl });
    await locks.mutex('k').use(() => undefined);
    await locks.close();
    expect(worker.plan?.maxStall).toBe(maxStall);
  });
});
