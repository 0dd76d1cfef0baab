/**
 * docs/troubleshooting.md has a row for each error, each reason of a loss, each event and each advice of the backends.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { LockErrorCode, LockEvent, LossReason } from '../../src/index.js';
import { LockLostError } from '../../src/index.js';

const ROOT = join(__dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8');

/** The first cells of the rows. */
const ROWS = [...PAGE.matchAll(/^\| (.+?) +\|/gm)].map(([, cell = '']) => cell);

// A record, so that the compiler finds a name that is missing here.
const CODES: Readonly<Record<LockErrorCode, true>> = {
  ALREADY_LOCKED: true,
  LOCK_TIMEOUT: true,
  LOCK_LOST: true,
  LOCK_NOT_OWNED: true,
  LOCKS_CLOSED: true,
  INVALID_OPTION: true,
  BACKEND: true,
  RUN_FAILED: true,
  RUN_RESULT: true,
};
const REASONS: Readonly<Record<LossReason, true>> = {
  expired: true,
  deleted: true,
  overwritten: true,
  revoked: true,
  session: true,
  overdue: true,
};
const EVENTS: Readonly<Record<LockEvent['type'], true>> = {
  queued: true,
  acquired: true,
  withdrawn: true,
  renewed: true,
  'renewal-failed': true,
  revocation: true,
  lost: true,
  released: true,
  'release-failed': true,
  requeued: true,
  'late-result': true,
  disconnected: true,
  connected: true,
  note: true,
};

/** The texts that the backends give as advice, up to the first colon, comma, full stop or inserted value. */
const advicesIn = (file: string): readonly string[] =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(/advice(?::| =)\s+(['"])(.+?)\1(?:[,;]| \})/g)].map(
    ([, , text = '']) => /^[^:.(]+/.exec(text)?.[0] ?? '',
  );

describe('docs/troubleshooting.md', () => {
  it.each([...Object.keys(CODES), ...Object.keys(REASONS), ...Object.keys(EVENTS)])('has a row for %s', (name) => {
    expect(ROWS).toContain(`\`${name}\``);
  });

  it.each(Object.keys(REASONS) as LossReason[])('quotes what the error says of the reason %s', (reason) => {
    const { message } = new LockLostError({ key: 'k', reason, fencingToken: 1n });
    const [, said = ''] = /^Lost "k": (.+?)\. Another client/.exec(message) ?? [];
    expect(said).not.toBe('');
    expect(PAGE).toContain(said);
  });

  it('has each advice of the backend for etcd v3', () => {
    const advices = advicesIn('src/backends/etcd3/errors.ts');
    expect(advices.length).toBeGreaterThanOrEqual(13);
    expect(advices.filter((advice) => !PAGE.includes(advice.slice(0, 30)))).toEqual([]);
  });

  it('quotes only texts that are there', () => {
    const src = join(ROOT, 'src');
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const source = files.map((file) => readFileSync(join(src, file), 'utf8')).join('\n');
    const [, table = ''] = /^## What a `BackendError` says\n([^]*?)^## /m.exec(PAGE) ?? [];
    const quotes = [...table.matchAll(/^\| (`.+?`) +\|/gm)].flatMap(([, cell = '']) =>
      cell.split(/`, `|`/).filter(Boolean),
    );
    expect(quotes.length).toBeGreaterThan(18);
    expect(quotes.filter((quote) => !source.includes(quote))).toEqual([]);
  });
});
