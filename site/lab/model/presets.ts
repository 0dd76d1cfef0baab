/**
 * Schedules worth a look, and how each of them ends with each client. The ends are checked in spec/site.
 */
import type { Client } from './trace.js';

export interface ExpectedEnd {
  /** How each contention ends, in the order of their beginnings. */
  readonly ends: readonly string[];
  /** Whether two ever believe that they hold what only one can. */
  readonly twoHold: boolean;
  /** Whether the counter without fencing forgets a write. */
  readonly losesUpdates: boolean;
  /** Whether the counter with fencing refuses a write. */
  readonly refuses: boolean;
  /** Whether work of `once` is done a second time. */
  readonly repeats: boolean;
}

export interface Preset {
  readonly id: string;
  readonly title: string;
  /** What to look at, in two or three sentences. */
  readonly story: string;
  /** The schedule, as in the URL. */
  readonly fragment: string;
  readonly expected: Readonly<Record<Client, ExpectedEnd>>;
}

const fine = (...ends: readonly string[]): ExpectedEnd => ({
  ends,
  twoHold: false,
  losesUpdates: false,
  refuses: false,
  repeats: false,
});

const BOTH = { twoHold: true, losesUpdates: true } as const;

export const PRESETS: readonly Preset[] = [
  {
    id: 'hand-off',
    title: 'Hand-off',
    story:
      'Three processes want one mutex. The server keeps them in the order in which they came; each holds as soon as the one before it has released. Nobody asks again and again.',
    fragment: '3.24.4.1.100_2a-want.mutex.k.18_5b-want.mutex.k.14_8c-want.mutex.k.20',
    expected: {
      rxlock: fine('a done', 'b done', 'c done'),
      'set-nx': fine('a done', 'b done', 'c done'),
      'late-lease': fine('a done', 'b done', 'c done'),
    },
  },
  {
    id: 'partition',
    title: 'Partition',
    story:
      'The holder cannot reach the lock server any more, only the store it writes to. With rxlock it takes its lock for lost before the server gives it to the next one. With the other clients it goes on, and two hold.',
    fragment: '2.24.4.1.120_2a-want.mutex.k.90_5b-want.mutex.k.40_20a-cut_80a-heal',
    expected: {
      rxlock: fine('a lost', 'b done'),
      'set-nx': { ...fine('a done', 'b done'), ...BOTH },
      'late-lease': { ...fine('a lost', 'b done'), ...BOTH },
    },
  },
  {
    id: 'paused-process',
    title: 'Paused process',
    story:
      'The holder stands still for longer than its lease: a long garbage collection, a suspended laptop. When it runs again, rxlock looks at the clock before anything else gets through. The other clients write first.',
    fragment: '2.24.4.1.120_2a-want.mutex.k.60_5b-want.mutex.k.50_16a-freeze.50',
    expected: {
      rxlock: fine('a lost', 'b done'),
      'set-nx': { ...fine('a done', 'b done'), ...BOTH },
      'late-lease': { ...fine('a done', 'b done'), ...BOTH },
    },
  },
  {
    id: 'stale-write',
    title: 'Stale write',
    story:
      'A write is under way when the lock is lost, and arrives when the next one has long been writing. No lock can call it back. The counter that compares fencing tokens refuses it; the other one forgets what was counted meanwhile.',
    fragment: '2.24.4.1.120_2a-want.mutex.k.60_5b-want.mutex.k.50_8a-delay.44',
    expected: {
      rxlock: { ...fine('a lost', 'b done'), losesUpdates: true, refuses: true },
      'set-nx': { ...fine('a done', 'b done'), ...BOTH },
      'late-lease': fine('a done', 'b done'),
    },
  },
  {
    id: 'deadlock',
    title: 'A deadlock that all() avoids',
    story:
      'One process wants x and y, the other y and x. rxlock queues for both in one request, so one of them has both. Clients that take one key after another wait for each other.',
    fragment: '2.24.4.1.100_2a-want.all.x+y.16_2b-want.all.y+x.16',
    expected: {
      rxlock: fine('a done', 'b done'),
      'set-nx': { ...fine('a done', 'b done'), ...BOTH },
      'late-lease': fine('a waiting', 'b waiting'),
    },
  },
  {
    id: 'late-clock',
    title: 'A late clock in a cron',
    story:
      'A job is due at 10 by the clock of each process; b is 6 ticks late, c 40. With runOnce the first leaves a marker, and the others get its result without running. With a lock alone the job runs twice: a lock keeps two from running at the same time, not one after the other.',
    fragment: '3.24.4.1.100_0b-clock.-6_0c-clock.-40_10s-tick.job.14',
    expected: {
      rxlock: fine('a done', 'b given', 'c given'),
      'set-nx': { ...fine('a done', 'b busy', 'c done'), repeats: true },
      'late-lease': { ...fine('a done', 'b busy', 'c done'), repeats: true },
    },
  },
];
