/**
 * A prefix is before every key on the server, and nowhere else.
 */
import { describe, expect, it } from '@jest/globals';
import { firstValueFrom, map, take, throwError } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { InvalidOptionError, createLocks } from '../../src/index.js';
import type { LocksOptions, QueueBackend } from '../../src/index.js';
import { decorate } from '../../src/backend/decorate.js';
import { prefixed, serverClaimsOf } from '../../src/backend/prefixed.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { TIMES, letters, seen, serverOf } from '../support/marbles.js';
import { onePlace } from '../support/one-place.js';
import { reportsOf } from '../support/passing.js';
import { failureOf } from '../support/waiting.js';

const keysOf = (backend: QueueBackend): Promise<readonly string[]> =>
  firstValueFrom(
    (backend.queues?.('', 0) ?? throwError(() => new Error('it cannot list'))).pipe(
      map((all) => all.map(({ key }) => key)),
    ),
  );

describe('a prefix', () => {
  it(
    'keeps those apart who have another, and lets who names the whole key contend',
    marbles((m) => {
      const server = serverOf(m);
      const [a, b, whole] = [{ prefix: 'a/' }, { prefix: 'b/' }, {}].map((one: LocksOptions) =>
        server.client({ ...TIMES, ...one }),
      );
      if (!a || !b || !whole) return;
      m.expect(letters(a.mutex('k').lock$()), '      ^------!').toBeObservable('h');
      m.expect(letters(b.mutex('k').lock$()), '      -^---!  ').toBeObservable('-h');
      m.expect(letters(whole.mutex('a/k').lock$()), '--^-------!').toBeObservable('--w----h');
      m.expect(seen(a.mutex('k').ownership$()), '    --^---------!').toBeObservable(
        '--(hh)-h--f'.replace('(hh)-', 'h----'),
      );
    }),
  );

  it('is in no error, event, state or held lock; the server has it before each key', async () => {
    const backend = memoryBackend();
    const locks = createLocks(backend, { prefix: 'team/', owner: 'me' });
    const reports = reportsOf(locks);
    const held = await locks.mutex('k').acquire();
    const both = await locks.all(locks.mutex('x'), locks.mutex('y')).acquire();
    const election = locks.election('e');
    const leading = election.campaign$('v').subscribe();
    expect([...(await keysOf(backend))].sort()).toEqual(['team/e', 'team/k', 'team/x', 'team/y']);
    const { claims } = await firstValueFrom(backend.queue('team/x', 0));
    const [first, second] = serverClaimsOf(both);
    expect([first, second]).toMatchObject([{ key: 'team/x', id: claims[0]?.id }, { key: 'team/y' }]);
    expect(second?.id).not.toBe(first?.id);
    const told = [
      held,
      both,
      await failureOf(locks.mutex('k').acquire({ wait: 0 })),
      await failureOf(locks.mutex('k').acquire({ wait: 2 })),
      await firstValueFrom(locks.mutex('k').ownership$()),
      await firstValueFrom(election.leader$),
      await firstValueFrom(locks.watchAll$('')),
      await locks.mutex('k').revoke({ reason: 'r', within: 0 }),
    ];
    await election.proclaim('w');
    leading.unsubscribe();
    await both.release();
    await locks.close();
    expect(JSON.stringify([...told, ...reports])).not.toContain('team/');
    expect(await keysOf(backend)).toEqual([]);
  });

  it('is before the beginning that is looked at, and those of others are not seen', async () => {
    const backend = memoryBackend();
    const [a, b] = [createLocks(backend, { prefix: 'a/' }), createLocks(backend, { prefix: 'b/' })];
    await Promise.all([a.mutex('jobs/1').acquire(), b.mutex('jobs/2').acquire(), a.mutex('other').acquire()]);
    const { all } = await firstValueFrom(a.watchAll$('jobs/').pipe(take(1)));
    expect([...all].map(([key, state]) => [key, state.key])).toEqual([['jobs/1', 'jobs/1']]);
    await Promise.all([a.close(), b.close()]);
  });

  it('works on a server with slots', async () => {
    const backend = memoryBackend();
    const locks = createLocks(onePlace(backend), { prefix: 'team/' });
    const held = await locks.mutex('k').acquire({ atLeast: 200 });
    expect(await keysOf(backend)).toEqual(['team/k']);
    await held.release();
    expect(await keysOf(backend)).toEqual(['team/k']);
    await locks.close();
  });

  it('is checked as keys are, and with them', () => {
    const of = (prefix: unknown) => (): unknown => Reflect.apply(createLocks, undefined, [memoryBackend(), { prefix }]);
    for (const prefix of ['a\0b', '\ud800', 'x'.repeat(1025), 7]) expect(of(prefix)).toThrow(InvalidOptionError);
    expect(of(7)).toThrow('prefix is 7: give the text that the keys begin with');
    expect(of('')).not.toThrow();
    const locks = createLocks(memoryBackend(), { prefix: 'x'.repeat(1000) });
    expect(() => locks.mutex('y'.repeat(24))).not.toThrow();
    expect(() => locks.mutex('y'.repeat(25))).toThrow('it is 1025 bytes long');
    expect(() => locks.election('y'.repeat(25))).toThrow('it is 1025 bytes long');
  });

  it('is an option of createLocks(), also by other names and in other places', () => {
    const locks = createLocks(memoryBackend());
    const contending = (options: object) => (): unknown =>
      Reflect.apply(locks.mutex('k').lock$, locks.mutex('k'), [options]);
    expect(contending({ prefix: 'a/' })).toThrow('prefix is no option when contending: give prefix to createLocks().');
    expect((): unknown => Reflect.apply(createLocks, undefined, [memoryBackend(), { namespace: 'a/' }])).toThrow(
      'Did you mean prefix?',
    );
    expect((): unknown => Reflect.apply(createLocks, undefined, [memoryBackend(), { atLeast: 5 }])).toThrow(
      'give atLeast to lock$(), acquire(), use() or withLock().',
    );
    expect(contending({ drain: 5 })).toThrow('give drain to close().');
    expect(contending({ lockAtMostFor: 5 })).toThrow('Did you mean atMost?');
  });

  it('leaves away what its backend does not have, and goes on from views that the backend knows', async () => {
    const { keep, others, queues, proclaim, ...bare } = memoryBackend();
    expect([keep, others, queues, proclaim]).not.toContain(undefined);
    expect(Object.keys(prefixed(bare, 'a/')).sort()).toEqual(Object.keys(bare).sort());
    const given: unknown[] = [];
    const backend = decorate(memoryBackend(), (source$, call) => {
      if (call.verb === 'queue') given.push(call.args[2]);
      return source$;
    });
    const view = await firstValueFrom(prefixed(backend, 'a/').queue('k', 0));
    const around = prefixed(backend, 'a/');
    const first = await firstValueFrom(around.queue('k', 0));
    await firstValueFrom(around.queue('k', 0, first));
    expect(view.key).toBe('k');
    expect(given).toMatchObject([undefined, undefined, { key: 'a/k' }]);
  });
});
