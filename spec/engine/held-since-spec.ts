import { describe, expect, it } from '@jest/globals';
import { filter, map } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import type { Ownership } from '../../src/index.js';
import { ownershipOf } from '../../src/rules/ownership.js';
import { claim } from '../support/claims.js';
import { TIMES, atFrame, letters, serverOf } from '../support/marbles.js';

/** Since when the first of the holders holds, as its observer knows it: a frame, or `-`. */
const since = (state: Ownership | undefined): string => {
  if (state?.status !== 'held') return state?.status ?? 'free';
  return String(state.holders[0]?.heldSince?.getTime() ?? '-');
};

describe('heldSince', () => {
  it(
    'is when the observer saw it begin, be it at once or after a wait; it stays with it',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '--^---!').toBeObservable('--h');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '---^-----!').toBeObservable('---w--h');
      const observer = server.client(TIMES);
      const seen$ = observer.mutex('k').ownership$().pipe(map(since));
      m.expect(seen$, '^------------!').toBeObservable('f-aa--b--f', { f: 'free', a: '2', b: '6' });
      const all$ = observer.watchAll$('').pipe(map(({ all }) => since(all.get('k'))));
      m.expect(all$, '^------------!').toBeObservable('f-aa--b--f', { f: 'free', a: '2', b: '6' });
    }),
  );

  it(
    'is not known to who looks later, of the holder of then',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '^-----!').toBeObservable('h');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^-------!').toBeObservable('-w----h');
      const observer = server.client(TIMES);
      const seen$ = observer.mutex('k').ownership$().pipe(map(since));
      m.expect(seen$, '---^------!').toBeObservable('---n--b--f', { n: '-', b: '6', f: 'free' });
      const all$ = observer.watchAll$('').pipe(map(({ all }) => since(all.get('k'))));
      m.expect(all$, '---^------!').toBeObservable('---n--b--f', { n: '-', b: '6', f: 'free' });
    }),
  );

  it(
    'is not known of what began while nobody knew',
    marbles((m) => {
      const server = serverOf(m);
      const observer = server.client(TIMES);
      atFrame(m, 4, () => observer.network.partition());
      atFrame(m, 20, () => observer.network.heal());
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '12ms ^ 20ms !').toBeObservable('12ms h');
      const known$ = observer
        .mutex('k')
        .ownership$()
        .pipe(
          filter(({ status }) => status === 'held'),
          map(since),
        );
      m.expect(known$, '^ 27ms !').toBeObservable('21ms n', { n: '-' });
    }),
  );

  it('is written as JSON, beside since', () => {
    const claims = [{ ...claim(1), since: new Date(2) }];
    const before: Ownership = { status: 'free', key: 'k' };
    const state = ownershipOf({ key: 'k', revision: 1n, claims }, true, { before, now: new Date(3) });
    expect(JSON.stringify(state)).toContain(
      '"since":"1970-01-01T00:00:00.002Z","heldSince":"1970-01-01T00:00:00.003Z"',
    );
  });
});
