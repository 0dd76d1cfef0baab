/**
 * After a restore of the server from a backup, tokens repeat: a claim of another client may have the token that one of
 * ours had.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import type { QueuedClaim } from '../../../src/index.js';
import { KeyQueue } from '../../../src/engine/queue/key-queue.js';
import { claim } from '../../support/claims.js';
import { engineOf } from '../../support/engines.js';
import { atFrame } from '../../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

const LEASE = { id: '1a', ttl: 12, owner: 'ours', key: undefined };

/** A queue whose watch tells nothing; our claims in it, and what each is told. */
const queueOf = (m: Marbles) => {
  const backend = { ...memoryBackend({ scheduler: m.scheduler }), queue: () => NEVER };
  const queue = new KeyQueue(engineOf(m.scheduler, { backend }), 'k', {
    followed: () => undefined,
    empty: () => undefined,
  });
  const told: string[] = [];
  /** Queues at the end of these claims. */
  const join = (mine: QueuedClaim, ahead: readonly QueuedClaim[], revision = mine.token): void => {
    queue.keep();
    const view = { key: 'k', revision, claims: [...ahead, mine] };
    queue.join(mine, revision, LEASE, view, ({ status }) => told.push(`${mine.id} ${status}`));
  };
  return { queue, told, join };
};

describe('a claim of another client with the token of one of ours', () => {
  it(
    'that was handed off, and whose release is still under way, is in the way',
    marbles((m) => {
      const { queue, told, join } = queueOf(m);
      const [holder, next] = [claim(5, { id: 'holder' }), claim(6, { id: 'next' })];
      join(holder, []);
      join(next, [holder]);
      queue.leaves(holder);
      queue.handOff(holder);
      queue.notifyNext();
      queue.leaves(next);
      // Its watch has ended, and what was known is forgotten.
      atFrame(m, 9, () => join(claim(6, { id: 'later' }), [claim(5, { id: 'other' })]));
      atFrame(m, 20, () => queue.stop());
      m.flush();
      expect(told).toEqual(['holder first', 'next blocked', 'next first', 'later blocked']);
    }),
  );

  it(
    'that waits, is not taken for it when it is first',
    marbles((m) => {
      const { queue, told, join } = queueOf(m);
      // Its first attempt was carried out at 6, and another one has found it at 9.
      join(claim(6, { id: 'waiter' }), [claim(5)], 9n);
      queue.unknown(new Error('the server was restored'), 1);
      queue.seen({ key: 'k', revision: 6n, claims: [claim(6, { id: 'other' })] });
      queue.stop();
      m.flush();
      expect(told).toEqual(['waiter blocked']);
    }),
  );

  it(
    'that is said to be gone, stays',
    marbles((m) => {
      const { queue, told, join } = queueOf(m);
      join(claim(5, { id: 'mine' }), []);
      queue.gone(claim(5, { id: 'before' }));
      atFrame(m, 5, () => queue.stop());
      m.flush();
      expect(told).toEqual(['mine first']);
    }),
  );
});
