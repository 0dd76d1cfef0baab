/**
 * Histories of what one of a fleet does for all, made by hand.
 */
import type { LogRecord } from '../../torture/history.mjs';
import type { Change } from '../../torture/observer.mjs';
import { change, operation } from './histories.js';
import type { Course, Parts } from './histories.js';

const KEY = 'o/0';
const inLog = (op: number, course: Course): readonly LogRecord[] =>
  operation({ op, key: KEY, kind: 'once', form: 'runOnce', ...course });

/** Who ran it, from then to then, as `run 7` for the operation 7. Its claim has the token. */
function ran(from: number, until: number, op: number, token: number, course: Course = {}): readonly LogRecord[] {
  const told = { contend: from - 10, held: from, emits: [from, until], stopped: until, end: until + 5, token };
  return [...inLog(op, { ...told, ...course }), { t: until, type: 'produced', op, value: `run ${String(op)}` }];
}

/** Who asked then, and was given that value by another one's run then. */
const given = (asked: number, t: number, op: number, value: string): readonly LogRecord[] => [
  ...inLog(op, { contend: asked, end: t }),
  { t, type: 'result', op, value },
];

/** Who was told that it has failed, and that this counts. */
const toldOfFailure = (asked: number, t: number, op: number, by: string): readonly LogRecord[] => [
  ...inLog(op, { contend: asked }),
  { t, type: 'end', op, how: 'error', code: 'RUN_FAILED', by },
];

/** A claim on the key, from one revision to another. */
const stay = (from: number, until?: number): readonly Change[] => [
  change(from, { key: `torture/locks/${KEY}/${String(from)}-0` }),
  ...(until === undefined
    ? []
    : [change(until, { key: `torture/locks/${KEY}/${String(from)}-0`, type: 'delete', created: '0' })]),
];

/** The run with that token writes that it has begun. */
const begun = (revision: number, token: number, client = 'c2.0'): Change =>
  change(revision, { key: `torture/begun/${KEY}`, value: JSON.stringify({ token: String(token), client }) });

/** It is marked as done by the run with that token. */
const marked = (revision: number, token: number, says: object, parts: Partial<Change> = {}): Change =>
  change(revision, {
    key: `torture/locks/${KEY}\0done`,
    value: JSON.stringify({ by: 'c1.0', at: '', token: String(token), ...says }),
    ...parts,
  });

const unmarked = (revision: number): Change =>
  change(revision, { key: `torture/locks/${KEY}\0done`, type: 'delete', created: '0' });

/** All changes in the order of the servers, with the revisions between them, which were of something else. */
function whole(...changes: readonly (Change | readonly Change[])[]): readonly Change[] {
  const known = new Map(changes.flat().map((each) => [each.revision, each]));
  const first = Math.min(...known.keys());
  const last = Math.max(...known.keys());
  return Array.from({ length: last - first + 1 }, (_, i) => first + i).map(
    (revision) => known.get(revision) ?? change(revision, { key: 'torture/other' }),
  );
}

/** Run 1 is marked and forgotten, then run 3 is marked, at that time. */
const runAgain = (markedAt: number) =>
  whole(
    stay(10, 26),
    marked(25, 10, { value: 'run 1' }),
    unmarked(30),
    stay(40, 60),
    marked(markedAt, 40, { value: 'run 3' }),
  );

type Named = [title: string, parts: Parts];

/** For each rule, what breaks it. */
export const BAD_RUNS: Readonly<Record<string, readonly Named[]>> = {
  'a key is run to its end at most once while its marker is kept': [
    [
      'one begins after another one has marked it',
      {
        clients: { 'c1.0': [ran(12, 20, 1, 10)], 'c2.0': [ran(45, 50, 2, 11)] },
        changes: whole(
          stay(10, 30),
          stay(11, 60),
          begun(15, 10, 'c1.0'),
          marked(25, 10, { value: 'run 1' }),
          begun(46, 11),
        ),
      },
    ],
    [
      'and its beginning is all that is known of it',
      { changes: whole(stay(10, 30), stay(11, 60), marked(25, 10, { value: 'run 1' }), begun(46, 11)) },
    ],
    [
      'a marker is written over another one',
      {
        changes: whole(
          stay(10, 30),
          stay(11, 60),
          marked(25, 10, { value: 'run 1' }),
          marked(50, 11, { value: 'run 2' }, { created: '25' }),
        ),
      },
    ],
  ],
  'a runner that has lost its lock marks nothing': [
    ['its claim had gone', { changes: whole(stay(10, 20), marked(25, 10, { value: 'run 1' })) }],
    [
      'its claim was not at the head of the queue',
      { changes: whole(stay(10, 40), stay(11, 60), marked(25, 11, { value: 'run 2' })) },
    ],
    ['there never was a claim of it', { changes: [marked(25, 10, { value: 'run 1' })] }],
    ['a failure that counts', { changes: whole(stay(10, 20), marked(25, 10, { failed: 'no' })) }],
  ],
  'a run that completes is marked': [
    ['there is no marker', { clients: { 'c1.0': [ran(12, 20, 1, 10)] }, changes: whole(stay(10, 30)) }],
    [
      'the marker is that of another run',
      {
        clients: { 'c1.0': [ran(14, 20, 1, 12)] },
        changes: whole(stay(7, 10), marked(9, 7, { value: 'run 0' }), unmarked(11), stay(12, 30)),
      },
    ],
  ],
  'a value is one that a run of its key has produced': [
    ['nobody has', { clients: { 'c2.0': [given(30, 40, 2, 'run 1')] } }],
    [
      'somebody has, later',
      {
        clients: { 'c1.0': [ran(12, 50, 1, 10)], 'c2.0': [given(30, 40, 2, 'run 1')] },
        changes: whole(stay(10, 70), marked(60, 10, { value: 'run 1' })),
      },
    ],
    [
      'somebody has, at another key',
      {
        clients: { 'c1.0': [ran(12, 20, 1, 10, { key: 'o/1' })], 'c2.0': [given(30, 40, 2, 'run 1')] },
      },
    ],
    ['a failure that nobody had', { clients: { 'c2.0': [toldOfFailure(30, 40, 2, 'c1.0')] } }],
  ],
  'no value older than the latest is seen after it': [
    [
      'somebody is given what was newer before',
      {
        clients: {
          'c1.0': [ran(12, 20, 1, 10), ran(45, 50, 3, 40)],
          'c2.0': [given(62, 63, 4, 'run 3'), given(64, 65, 5, 'run 1')],
        },
        changes: runAgain(55),
      },
    ],
    [
      'the newer one was its own, and completed',
      {
        clients: {
          'c1.0': [ran(12, 20, 1, 10)],
          'c2.0': [ran(45, 50, 3, 40), given(64, 65, 5, 'run 1')],
        },
        changes: runAgain(52),
      },
    ],
    [
      'it was kept no more when it asked',
      {
        clients: { 'c1.0': [ran(12, 20, 1, 10)], 'c2.0': [given(64, 65, 5, 'run 1')] },
        changes: whole(stay(10, 26), marked(25, 10, { value: 'run 1' }), unmarked(30)),
      },
    ],
  ],
};

/** What breaks none. */
export const GOOD_RUNS: readonly Named[] = [
  [
    'one runs it, one waits for it, one comes late, and it is run again when it is kept no more',
    {
      clients: {
        'c1.0': [ran(12, 20, 1, 10), ran(45, 50, 3, 40)],
        'c2.0': [given(15, 26, 2, 'run 1'), given(28, 29, 4, 'run 1'), given(46, 60, 5, 'run 3')],
      },
      changes: whole(
        stay(10, 26),
        begun(13, 10, 'c1.0'),
        marked(25, 10, { value: 'run 1' }),
        unmarked(35),
        stay(40, 60),
        begun(46, 40, 'c1.0'),
        marked(55, 40, { value: 'run 3' }),
      ),
    },
  ],
  [
    'a run comes to its end, its process dies before it is marked, and the next one runs it again',
    {
      clients: {
        'c1.0': [ran(12, 20, 1, 10, { end: undefined as never })],
        'c2.0': [ran(45, 50, 2, 11)],
        'c3.0': [given(14, 59, 3, 'run 2')],
      },
      run: [{ t: 21, type: 'client-killed', client: 'c1.0' }],
      changes: whole(
        stay(10, 40),
        begun(13, 10, 'c1.0'),
        stay(11, 60),
        begun(46, 11),
        marked(52, 11, { value: 'run 2' }),
      ),
    },
  ],
  [
    'a run comes to its end and loses its lock before it is marked',
    {
      clients: {
        'c1.0': [ran(12, 20, 1, 10, { end: 38, how: 'error', code: 'LOCK_LOST', reason: 'deleted' })],
        'c2.0': [ran(45, 50, 2, 11)],
      },
      changes: whole(
        stay(10, 36),
        begun(13, 10, 'c1.0'),
        stay(11, 60),
        begun(46, 11),
        marked(52, 11, { value: 'run 2' }),
      ),
    },
  ],
  [
    'a run says only after its marker has gone that it had begun',
    {
      clients: { 'c1.0': [ran(12, 20, 1, 10)], 'c2.0': [ran(38, 50, 2, 11)] },
      changes: whole(
        stay(10, 26),
        marked(25, 10, { value: 'run 1' }),
        stay(11, 60),
        unmarked(35),
        begun(40, 11),
        marked(52, 11, { value: 'run 2' }),
      ),
    },
  ],
  [
    'who asked before is given what was newest then, and by now is not',
    {
      clients: {
        'c1.0': [ran(12, 20, 1, 10), ran(45, 50, 3, 40)],
        'c2.0': [given(15, 90, 2, 'run 1')],
        'c3.0': [given(62, 63, 4, 'run 3')],
      },
      changes: runAgain(55),
    },
  ],
  [
    'a failure that counts is told to others',
    {
      clients: {
        'c1.0': [
          ran(12, 20, 1, 10, { end: undefined as never }),
          [{ t: 26, type: 'end', op: 1, how: 'error', isPlanned: true }],
        ],
        'c2.0': [toldOfFailure(30, 40, 2, 'c1.0')],
      },
      changes: whole(stay(10, 30), marked(25, 10, { failed: 'no' })),
    },
  ],
  [
    'a restored server gives what its backup had, older than what was seen before',
    {
      clients: {
        'c1.0': [ran(12, 20, 1, 10), ran(45, 50, 3, 40)],
        'c2.0': [given(62, 63, 4, 'run 3'), given(700, 701, 5, 'run 1')],
      },
      run: [{ t: 500, type: 'restored', from: 400, revision: 28 }],
      changes: runAgain(55),
    },
  ],
];
