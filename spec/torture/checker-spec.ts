/**
 * A checker that finds nothing proves nothing: each rule is shown a history that breaks it, and one that nearly does.
 */
import { describe, expect, it } from '@jest/globals';
import { RULES, gapsOf, noticesOf, overlapsOf, violationsOf } from '../../torture/checker.mjs';
import type { LogRecord } from '../../torture/history.mjs';
import type { Change } from '../../torture/observer.mjs';
import { TTL, change, held, history, operation, queue, refused, told, write } from './histories.js';
import type { Parts } from './histories.js';
import { BAD_RUNS, GOOD_RUNS } from './runs.js';

const rulesBrokenBy = (parts: Parts): readonly string[] => [
  ...new Set(violationsOf(history(parts)).map(({ rule }) => rule)),
];

const good: Parts = {
  clients: {
    'c1.0': [held(100, 200), held(300, 400)],
    'c2.0': [held(210, 290, { token: 250 })],
  },
  changes: [write(1, 100, 1), write(2, 250, 2, 'c2.0'), write(3, 300, 3)],
};

describe('the checker', () => {
  it('finds nothing in a good history', () => {
    expect(violationsOf(history(good))).toEqual([]);
  });

  it('has a spec here for each of its rules', () => {
    expect(Object.keys(RULES)).toEqual(Object.keys(BAD));
  });
});

/** A client that stood still for a moment when its lease went, and goes on with a deadline that has not come. */
const endedEarly = (renewedAt: number): Parts => ({
  clients: {
    'c1.0': [
      [{ t: renewedAt, type: 'renewed', lease: '1', took: 5 }],
      held(3, 3500, { token: 3, emits: [3, 3500], how: 'error', code: 'LOCK_LOST', reason: 'deleted' }),
      [{ t: 3501, type: 'lost', key: 'torture/locks/m/0', reason: 'deleted' }],
    ],
    'c2.0': [held(3200, 3400, { token: 4 })],
  },
  changes: [
    change(3, {}),
    change(4, { key: 'torture/locks/m/0/2-0', lease: '2' }),
    change(5, { type: 'delete', t: 3100, lease: '0' }),
  ],
});

/** A client whose claim, with token 90, is in the queue up to an instant, and which renews up to another one. */
const forgotten = (logs: readonly (readonly LogRecord[])[], until = 15_000, renewing = until): Parts => ({
  clients: {
    'c1.0': [
      ...logs,
      Array.from({ length: Math.floor(renewing / 1000) }, (_, i) => ({
        t: 1000 * (i + 1),
        type: 'renewed',
        lease: '1',
        took: 5,
      })),
    ],
  },
  changes: [change(90, {}), change(91, { type: 'delete', t: until })],
});

const late = (revision: number, token: number): Change =>
  change(revision, { key: 'torture/late/m/0', value: JSON.stringify({ token: String(token), client: 'c1.0' }) });

const BAD: Readonly<Record<string, readonly (readonly [title: string, parts: Parts])[]>> = {
  'one holder at a time': [
    ['two did things in overlapping times', { clients: { 'c1.0': [held(100, 200)], 'c2.0': [held(199, 300)] } }],
    [
      'one did everything within the time of the other',
      { clients: { 'c1.0': [held(100, 300)], 'c2.0': [held(200, 210)] } },
    ],
    ['both began at once', { clients: { 'c1.0': [held(100, 300)], 'c2.0': [held(100, 100, { token: 101 })] } }],
    ['the lease had run out, by the last answer that its client had', endedEarly(-2000)],
    ['two of one process', { clients: { 'c1.0': [held(100, 200), held(150, 300)] } }],
    [
      'a holder that was frozen, and went on when it woke',
      {
        clients: {
          'c1.0': [held(100, 9000, { emits: [100, 200, 9000] })],
          'c2.0': [held(6000, 7000)],
        },
        run: [
          { t: 300, type: 'client-frozen', client: 'c1.0' },
          { t: 8999, type: 'client-thawed', client: 'c1.0' },
        ],
      },
    ],
    [
      'a holder that goes on long after its claim was deleted by hand',
      {
        clients: { 'c1.0': [held(3, 30_000)], 'c2.0': [held(220, 29_000, { token: 4 })] },
        run: [
          { t: 200, type: 'fault', lane: 'client', name: 'delete claim', target: 'torture/locks/m/0/1-0', from: 190 },
        ],
        changes: [change(3, {}), change(4, { key: 'torture/locks/m/0/2-0' }), change(5, { type: 'delete', t: 205 })],
      },
    ],
    [
      'a writer among readers',
      { clients: { 'c1.0': [held(100, 200, { kind: 'reader' })], 'c2.0': [held(150, 160, { kind: 'writer' })] } },
    ],
    [
      'more than a semaphore permits',
      {
        clients: {
          'c1.0': [held(100, 200, { kind: 'semaphore' })],
          'c2.0': [held(110, 190, { kind: 'semaphore' })],
          'c3.0': [held(120, 180, { kind: 'semaphore' })],
        },
      },
    ],
  ],
  'tokens grow': [
    [
      'a later holder has a smaller one',
      { clients: { 'c1.0': [held(100, 200, { token: 7 })], 'c2.0': [held(300, 400, { token: 6 })] } },
    ],
    [
      'two holders have the same',
      { clients: { 'c1.0': [held(100, 200, { token: 7 })], 'c2.0': [held(300, 400, { token: 7 })] } },
    ],
  ],
  'the register takes no stale token': [
    [
      'a write of an earlier holder comes after one of a later',
      { changes: [write(1, 5, 1), write(2, 9, 2), write(3, 5, 3)] },
    ],
  ],
  'no update is lost': [
    [
      'two wrote what they had computed from one reading',
      { changes: [write(1, 5, 1), write(2, 5, 2), write(3, 9, 2)] },
    ],
    ['a write went away', { changes: [write(1, 5, 1), write(2, 5, 2), write(3, 9, 1)] }],
  ],
  'first come, first served': [
    [
      'who came later held first',
      {
        clients: {
          'c1.0': [
            operation({ contend: 100, waiting: 110, held: 500, emits: [500], stopped: 510, end: 510, token: 501 }),
          ],
          'c2.0': [held(300, 310, { contend: 120, token: 300 })],
        },
      },
    ],
    [
      'who came later held first, though an older one of the same client had held with a place behind it',
      {
        clients: {
          'c1.0': [
            operation({ contend: 90, held: 280, emits: [280], stopped: 290, end: 290, token: 301 }),
            operation({ contend: 100, waiting: 110, held: 500, emits: [500], stopped: 510, end: 510, token: 501 }),
          ],
          'c2.0': [held(300, 310, { contend: 120, token: 300 })],
        },
      },
    ],
  ],
  'served in the order of subscription': [
    [
      'of two of one process the later held first, though neither had been in the queue when the other came',
      { clients: { 'c1.0': [held(300, 310, { contend: 100, waiting: 290 }), held(200, 210, { contend: 101 })] } },
    ],
    [
      'a reader held before a writer of its process that had come before it',
      {
        clients: {
          'c1.0': [held(300, 310, { contend: 100, kind: 'writer' }), held(200, 210, { contend: 101, kind: 'reader' })],
        },
      },
    ],
  ],
  'a refusal names who held': [
    [
      'a claim that went before it was at the head of its queue',
      {
        clients: { 'c2.0': [refused(2000, 2010, 'c3.0', 2)] },
        changes: queue({ from: 900, until: 5000 }, { from: 950, until: 2005 }),
      },
    ],
    [
      'one that had gone long before',
      { clients: { 'c2.0': [refused(9000, 9010, 'c3.0', 1)] }, changes: queue({ from: 950, until: 2005 }) },
    ],
    [
      'one that came to the head long after',
      {
        clients: { 'c2.0': [refused(2000, 2010, 'c3.0', 2)] },
        changes: queue({ from: 900, until: 5000 }, { from: 950, until: 6000 }),
      },
    ],
    [
      'the claim of a try that had been refused itself',
      {
        clients: { 'c1.0': [refused(1000, 1010, 'c3.0', 1)], 'c2.0': [refused(1020, 1030, 'c1.0', 2)] },
        changes: queue({ from: 900, until: 1007 }, { from: 1005, until: 1025 }),
      },
    ],
    [
      'the claim of a waiter that had been told in time that its wait was over',
      {
        clients: {
          'c1.0': [operation({ contend: 600, wait: 300, end: 910, how: 'error', code: 'LOCK_TIMEOUT' })],
          'c2.0': [refused(1020, 1030, 'c1.0', 1)],
        },
        changes: queue({ from: 650, until: 1025 }),
      },
    ],
    ['nobody who ever came', { clients: { 'c2.0': [refused(2000, 2010, 'c3.0', 950)] } }],
  ],
  'some guarded writes succeed': [
    [
      'all of twenty were refused',
      {
        clients: {
          'c1.0': [Array.from({ length: 20 }, (_, op) => ({ t: op, type: 'write', op, outcome: 'refused' }))],
        },
      },
    ],
  ],
  'a late guarded write is refused': [
    ['one was accepted after the claim had been deleted', { changes: [...queue({ from: 1, until: 200 }), late(3, 1)] }],
    [
      'one of the register, as if the lock were held still',
      { changes: [...queue({ from: 1, until: 200 }), write(3, 1, 1)] },
    ],
    [
      'one was accepted by a server restored from its backup, in which the claim was not',
      {
        run: [{ t: 500, type: 'restored', from: 400, revision: 1 }],
        changes: [...queue({ from: 1, until: 2 }, { from: 30 }), { ...late(2, 3), era: 1, t: 600 }],
      },
    ],
  ],
  ...BAD_RUNS,
  'every operation ends': [
    ['one waits for ever', { clients: { 'c1.0': [operation({ contend: 100, waiting: 110 })] } }],
    ['one holds for ever', { clients: { 'c1.0': [held(100, 200, { end: undefined as never })] } }],
  ],
  'nobody waits for nothing': [
    [
      'a free lock is not given to who waits',
      { clients: { 'c1.0': [held(100, 200)], 'c2.0': [held(60_000, 60_010, { contend: 150, waiting: 160 })] } },
    ],
  ],
  'an observer is told in time': [
    [
      'held, although the claim was gone',
      { clients: { 'c1.0': [[told(20, 1), told(9000)]] }, changes: queue({ from: 10, until: 1000 }) },
    ],
    [
      'free, although somebody was there',
      { clients: { 'c1.0': [[told(5), told(9000, 1)]] }, changes: queue({ from: 10, until: 9500 }) },
    ],
    [
      'the same, while a member was cut off from the others',
      {
        clients: { 'c1.0': [[told(20, 1), told(20_000)]] },
        run: [
          { t: 500, type: 'fault', lane: 'server', name: 'cut off a member', target: 'm1', from: 500 },
          { t: 19_000, type: 'healed', lane: 'server', name: 'cut off a member', target: 'm1', from: 500 },
        ],
        changes: queue({ from: 10, until: 1000 }),
      },
    ],
  ],
  'a lock is to be had once all is well': [
    [
      'somebody was told that the server is at fault long after it was',
      {
        clients: { 'c1.0': [operation({ contend: 9000, end: 9100, how: 'error', code: 'BACKEND' })] },
        run: [{ t: 1000, type: 'healed-all' }],
      },
    ],
  ],
  'the store stays within its quota': [
    ['it grew to twice of it', { run: [{ t: 1, type: 'size', sizes: [10, 200], quota: 100 }] }],
  ],
  'nothing after the deadline': [
    [
      'a value got through although the lock was not held',
      { clients: { 'c1.0': [held(100, 200, { emits: [100, { t: 200, believed: false }] })] } },
    ],
  ],
  'nothing after the end': [
    [
      'a value after the body was stopped',
      { clients: { 'c1.0': [held(100, 200, { emits: [100, 150], stopped: 120 })] } },
    ],
    [
      'two ends',
      { clients: { 'c1.0': [held(100, 200, { op: 9001 }), [{ t: 210, type: 'end', op: 9001, how: 'error' }]] } },
    ],
    ['the end before the body was stopped', { clients: { 'c1.0': [held(100, 200, { stopped: 201 })] } }],
  ],
  'a loss is told before the server gives the lock away': [
    [
      'a running holder went on after its claim had expired',
      {
        clients: { 'c1.0': [held(3, 6000, { how: 'error', code: 'LOCK_LOST', reason: 'expired' })] },
        changes: [change(3, {}), change(4, { type: 'delete', t: 5900 })],
      },
    ],
  ],
  'an error is one of those that are promised': [
    ['an error without a code', { clients: { 'c1.0': [operation({ end: 10, how: 'error' })] } }],
    [
      'a failed run of others, of a lock',
      { clients: { 'c1.0': [operation({ end: 10, how: 'error', code: 'RUN_FAILED' })] } },
    ],
    ['a code of another kind', { clients: { 'c1.0': [operation({ end: 10, how: 'error', code: 'INVALID_OPTION' })] } }],
  ],
  'a claim leaves with its operation': [
    ['of one that held, known by its token', forgotten([held(100, 200, { token: 90 }), held(300, 20_000)])],
    [
      'of one that did not, and who else wants the key of the same client came later',
      forgotten([operation({ contend: 80, end: 200 }), operation({ contend: 95, waiting: 96, end: 20_000 })]),
    ],
  ],
  'nothing is left on the server': [
    [
      'a claim',
      {
        run: [{ t: 1, type: 'inventory', phase: 'drained', claims: ['torture/locks/m/0/1-0'], leases: 5, watchers: 3 }],
      },
    ],
    ['a lease', { run: [{ t: 1, type: 'inventory', phase: 'closed', claims: [], leases: 1, watchers: 0 }] }],
    ['a watch', { run: [{ t: 1, type: 'inventory', phase: 'closed', claims: [], leases: 0, watchers: 1 }] }],
  ],
  'no process fails': [
    ['an unhandled rejection', { clients: { 'c1.0': [[{ t: 1, type: 'unhandled', message: 'no' }]] } }],
    ['a crash', { clients: { 'c1.0': [[{ t: 1, type: 'crash', message: 'no' }]] } }],
    ['a warning of too many listeners', { clients: { 'c1.0': [[{ t: 1, type: 'warning', name: 'MaxListeners' }]] } }],
    ['a death that nobody caused', { run: [{ t: 1, type: 'client-died', client: 'c1.0', code: 1, words: '' }] }],
  ],
  'nothing is left in the process': [
    ['it does not end by itself', { clients: { 'c1.0': [[{ t: 1, type: 'lingering', resources: ['Timeout'] }]] } }],
    ['it had to be killed', { run: [{ t: 1, type: 'client-closed', client: 'c1.0', clean: false }] }],
    [
      'its heap grows',
      {
        clients: {
          'c1.0': [Array.from({ length: 12 }, (_, i) => ({ t: i, type: 'sample', heap: (10 + 5 * i) * 2 ** 20 }))],
        },
      },
    ],
  ],
  'the observer saw all': [['a revision is missing', { changes: [write(1, 5, 1), write(3, 5, 2)] }]],
};

describe.each(Object.entries(BAD))('the rule "%s" finds', (rule, histories) => {
  it.each(histories)('%s', (_, parts) => {
    expect(rulesBrokenBy(parts)).toContain(rule);
  });
});

describe('no fault of the lock', () => {
  it.each<[title: string, parts: Parts]>([
    [
      'who came first is overtaken where an older one of its client has taken its place',
      {
        clients: {
          'c1.0': [
            operation({ contend: 90, held: 250, emits: [250], stopped: 260, end: 260, token: 250 }),
            operation({ contend: 100, waiting: 110, held: 500, emits: [500], stopped: 510, end: 510, token: 501 }),
          ],
          'c2.0': [held(300, 310, { contend: 120, token: 300 })],
        },
      },
    ],
    ...GOOD_RUNS,
    [
      'one begins right after the other ended',
      { clients: { 'c1.0': [held(100, 200)], 'c2.0': [held(200.001, 300, { token: 201 })] } },
    ],
    [
      'readers hold together',
      { clients: { 'c1.0': [held(100, 200, { kind: 'reader' })], 'c2.0': [held(150, 160, { kind: 'reader' })] } },
    ],
    [
      'a claim was deleted by hand, and its holder told of it a moment later',
      {
        clients: {
          'c1.0': [held(3, 250, { how: 'error', code: 'LOCK_LOST', reason: 'deleted' })],
          'c2.0': [held(220, 300, { token: 4 })],
        },
        run: [
          { t: 200, type: 'fault', lane: 'client', name: 'delete claim', target: 'torture/locks/m/0/1-0', from: 190 },
        ],
        changes: [change(3, {}), change(4, { key: 'torture/locks/m/0/2-0' }), change(5, { type: 'delete', t: 205 })],
      },
    ],
    [
      'the request that deleted it by hand was carried out and not answered',
      {
        clients: {
          'c1.0': [held(3, 250, { how: 'error', code: 'LOCK_LOST', reason: 'deleted' })],
          'c2.0': [held(220, 300, { token: 4 })],
        },
        run: [{ t: 900, type: 'fault-failed', name: 'delete claim', target: 'torture/locks/m/0/1-0', from: 190 }],
        changes: [change(3, {}), change(4, { key: 'torture/locks/m/0/2-0' }), change(5, { type: 'delete', t: 205 })],
      },
    ],
    ['the server ended a lease before its time, by its own answer', endedEarly(2000)],
    [
      'who was overtaken had its lease revoked by hand a moment before it was told that it holds',
      {
        clients: {
          'c1.0': [held(210, 215, { contend: 2, waiting: 3, token: 3 })],
          'c2.0': [held(206, 209, { contend: 10, waiting: 11, token: 4 })],
        },
        run: [
          { t: 200, type: 'fault', lane: 'client', name: 'revoke lease', target: 'torture/locks/m/0/1-0', from: 190 },
        ],
        changes: [
          change(3, {}),
          change(4, { key: 'torture/locks/m/0/2-0', lease: '2' }),
          change(5, { type: 'delete', t: 205 }),
        ],
      },
    ],
    [
      'who was overtaken by another of its process had lost its place',
      {
        clients: {
          'c1.0': [
            held(300, 310, { contend: 100, waiting: 290 }),
            held(200, 210, { contend: 101, token: 200 }),
            [{ t: 150, type: 'requeued', key: 'torture/locks/m/0' }],
          ],
        },
      },
    ],
    [
      'who was overtaken had lost its place at two keys',
      {
        clients: {
          'c1.0': [
            held(300, 310, { contend: 100, waiting: 290, keys: ['m/0', 'm/1'], kind: 'all' }),
            held(200, 210, { contend: 101, token: 200 }),
            [{ t: 150, type: 'requeued', key: 'torture/locks/m/0 + torture/locks/m/1' }],
          ],
        },
      },
    ],
    [
      'two readers of one process hold, the later first',
      {
        clients: {
          'c1.0': [held(300, 310, { contend: 100, kind: 'reader' }), held(299, 310, { contend: 101, kind: 'reader' })],
        },
      },
    ],
    [
      'a refusal names who held',
      {
        clients: { 'c1.0': [held(900, 5000, { token: 1 })], 'c2.0': [refused(2000, 2010, 'c1.0', 1)] },
        changes: queue({ from: 900, until: 5001 }),
      },
    ],
    [
      'a refusal names who was handed the lock in its process, and whose deletion came before the one before it',
      {
        clients: {
          'c1.0': [
            held(900, 1990, { token: 1 }),
            held(910, 2012, { held: 1990, emits: [1991, 2012], token: 2 }),
            refused(2000, 2010, 'c1.0', 2),
          ],
        },
        changes: queue({ from: 900, until: 2020 }, { from: 950, until: 2015 }),
      },
    ],
    [
      'a refusal names one whose claim was at the head, and was lost before it was told: it held later, by another claim',
      {
        clients: {
          'c1.0': [held(900, 5000, { held: 3010, emits: [3011, 4999], token: 2 })],
          'c2.0': [refused(2000, 2010, 'c1.0', 1)],
        },
        changes: queue({ from: 950, until: 2500 }, { from: 3000, until: 5001 }),
      },
    ],
    [
      'a refusal names a try whose claim could not leave for as long as an attempt, and did not yet',
      {
        clients: {
          'c1.0': [operation({ contend: 900, wait: 0, end: 900 + TTL / 6, how: 'error', code: 'ALREADY_LOCKED' })],
          'c2.0': [refused(2000, 2010, 'c1.0', 1)],
        },
        changes: queue({ from: 950, until: 5000 }),
      },
    ],
    [
      'a refusal names one of a semaphore, who holds beside another',
      {
        clients: {
          'c1.0': [held(900, 5000, { token: 1, kind: 'semaphore' })],
          'c2.0': [held(910, 5000, { token: 2, kind: 'semaphore' })],
          'c3.0': [refused(2000, 2010, 'c2.0', 2)],
        },
        changes: queue({ from: 899, until: 5001, kind: 'semaphore' }, { from: 909, until: 5002, kind: 'semaphore' }),
      },
    ],
    [
      'a refusal names who holds on the server and has not been told yet',
      {
        clients: {
          'c1.0': [operation({ contend: 890, waiting: 895, held: 2100, token: 1, stopped: 2200, end: 2200 })],
          'c2.0': [refused(2000, 2010, 'c1.0', 1)],
        },
        changes: queue({ from: 900, until: 5000 }),
      },
    ],
    [
      'a late write was accepted before the server deleted the claim',
      { changes: [...queue({ from: 1 }), late(2, 1), change(3, { type: 'delete', key: 'torture/locks/m/0/0-0' })] },
    ],
    [
      'of twenty guarded writes one was accepted',
      {
        clients: {
          'c1.0': [
            Array.from({ length: 21 }, (_, op) => ({ t: op, type: 'write', op, outcome: op > 0 ? 'refused' : 'ok' })),
          ],
        },
      },
    ],
    [
      'an observer is told of a change within a ttl',
      { clients: { 'c1.0': [[told(20, 1), told(4000)]] }, changes: queue({ from: 10, until: 1000 }) },
    ],
    [
      'an observer is told late, of what happened while no server ran',
      {
        clients: { 'c1.0': [[told(20, 1), told(20_000)]] },
        run: [
          { t: 500, type: 'fault', lane: 'server', name: 'restart all', target: '', from: 500 },
          { t: 19_000, type: 'healed', lane: 'server', name: 'restart all', target: '', from: 500 },
        ],
        changes: queue({ from: 10, until: 1000 }),
      },
    ],
    [
      'the server is at fault while it still is',
      {
        clients: { 'c1.0': [operation({ contend: 900, end: 9100, how: 'error', code: 'BACKEND' })] },
        run: [{ t: 1000, type: 'healed-all' }],
      },
    ],
    ['the store grew a little beyond its quota', { run: [{ t: 1, type: 'size', sizes: [10, 120], quota: 100 }] }],
    [
      'a backup took the lock away, which its holder was told of within a ttl, and gave its token again',
      {
        clients: {
          'c1.0': [held(30, 3000, { token: 2, how: 'error', code: 'LOCK_LOST', reason: 'session' })],
          'c2.0': [held(700, 800, { token: 2 })],
        },
        run: [{ t: 500, type: 'restored', from: 400, revision: 1 }],
        changes: [
          ...queue({ from: 1 }, { from: 30 }),
          ...queue({ from: 1 }, { from: 650, until: 900 })
            .slice(1)
            .map((each) => ({ ...each, era: 1 })),
        ],
      },
    ],
    [
      'a refusal names a claim that came back with a backup',
      {
        clients: { 'c1.0': [refused(3000, 3010, 'c2.0', 1)] },
        run: [{ t: 2500, type: 'restored', from: 2400, revision: 1 }],
        changes: queue({ from: 900, until: 1000 }),
      },
    ],
    ['keys differ', { clients: { 'c1.0': [held(100, 200)], 'c2.0': [held(150, 160, { key: 'm/1' })] } }],
    [
      'a value had passed the lock when its process was put aside, and arrived when that went on',
      {
        clients: {
          'c1.0': [
            held(100, 200, { emits: [100, 200, { t: 9000, s: 201, believed: false }], stopped: 9001, end: 9001 }),
          ],
          'c2.0': [held(6000, 7000)],
        },
      },
    ],
    [
      'who was overtaken had lost its place',
      {
        clients: {
          'c1.0': [
            operation({ contend: 100, waiting: 110, held: 500, emits: [500], stopped: 510, end: 510, token: 501 }),
            [{ t: 200, type: 'requeued', key: 'torture/locks/m/0' }],
          ],
          'c2.0': [held(300, 310, { contend: 120, token: 300 })],
        },
      },
    ],
    [
      'an operation that did not end died with its process',
      {
        clients: { 'c1.0': [operation({ contend: 100, waiting: 110 })] },
        run: [{ t: 200, type: 'client-killed', client: 'c1.0' }],
      },
    ],
    [
      'nobody could be served while the servers were down',
      {
        clients: { 'c1.0': [held(100, 200)], 'c2.0': [held(60_000, 60_010, { contend: 150, waiting: 160 })] },
        run: [
          { t: 300, type: 'fault', lane: 'server', name: 'restart all', target: '', from: 250 },
          { t: 55_000, type: 'healed', lane: 'server', name: 'restart all', target: '', from: 250 },
        ],
      },
    ],
    [
      'a process that stood still could not know that its claim had gone',
      {
        clients: { 'c1.0': [held(3, 6000, { emits: [3, 100], how: 'error', code: 'LOCK_LOST', reason: 'expired' })] },
        run: [
          { t: 200, type: 'client-frozen', client: 'c1.0' },
          { t: 5999, type: 'client-thawed', client: 'c1.0' },
        ],
        changes: [change(3, {}), change(4, { type: 'delete', t: 5200 })],
      },
    ],
    ['a claim stays for a ttl and a half', forgotten([held(100, 200, { token: 90 })], 7500)],
    ['a claim stays whose client gives no sign of life', forgotten([held(100, 200, { token: 90 })], 15_000, 10_000)],
    ['a claim stays as its operation does', forgotten([held(100, 14_500, { token: 90 })], 15_000, 14_900)],
    [
      'an operation of the same client may be what a claim belongs to',
      forgotten([operation({ contend: 80, end: 200 }), held(88, 14_500, { contend: 85, waiting: 86, token: 89 })]),
    ],
    [
      'the leases of clients that still run',
      { run: [{ t: 1, type: 'inventory', phase: 'drained', claims: [], leases: 5, watchers: 3 }] },
    ],
  ])('when %s', (_, parts) => {
    expect(rulesBrokenBy(parts)).toEqual([]);
  });
});

describe('what is measured', () => {
  it('double holding lasts as long as both did things', () => {
    const overlaps = overlapsOf(
      history({ clients: { 'c1.0': [held(100, 200)], 'c2.0': [held(150, 300)], 'c3.0': [held(180, 250)] } }),
    );
    expect(overlaps.reduce((sum, { from, until }) => sum + until - from, 0)).toBe(100);
  });

  it('a gap is calm from the end of its last fault on', () => {
    const gaps = gapsOf(
      history({
        clients: { 'c1.0': [held(100, 200)], 'c2.0': [held(1000, 1010, { contend: 150 })] },
        run: [
          { t: 300, type: 'fault', lane: 'server', name: 'kill node', target: 'm1', from: 300 },
          { t: 700, type: 'healed', lane: 'server', name: 'kill node', target: 'm1', from: 300 },
        ],
      }),
    );
    expect(gaps).toContainEqual({ key: 'm/0', from: 200, until: 1000, calm: 300 });
  });

  it('how early a loss was told counts from the stop of the body to the deletion of the claim', () => {
    const [notice] = noticesOf(
      history({
        clients: { 'c1.0': [held(3, TTL - 500, { how: 'error', code: 'LOCK_LOST', reason: 'expired' })] },
        changes: [change(3, {}), change(4, { type: 'delete', t: TTL + 100 })],
      }),
    );
    expect(notice?.early).toBe(600);
  });
});
