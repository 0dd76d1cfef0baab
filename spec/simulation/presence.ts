/**
 * Who was in which queue of the server, and until when.
 */
import type { JsonValue, Queue } from '../../src/index.js';
import { mayBeTogether } from './kinds.js';

/** What a try says of itself on the server. No two tries are exchanged for each other, so it tells whose claim it is. */
interface TryMark {
  readonly try: number;
}

const isMark = (meta: unknown): meta is TryMark =>
  typeof meta === 'object' && meta !== null && 'try' in meta && typeof meta.try === 'number';

export const tryOf = (meta: JsonValue | undefined): number | undefined => (isMark(meta) ? meta.try : undefined);

interface Stay {
  /** Whether it has ever been its turn. */
  wasFirst: boolean;
  /** Nothing while it is there. */
  leftAt: number | undefined;
}

export interface Presence {
  /** To be told of each change. */
  changed(queue: Queue): void;
  /** What was there until now is there no more, in any queue. */
  forget(): void;
  /** Whether a claim was there, and its turn, at some time since the instant. */
  wasFirst(key: string, token: bigint, since: number): boolean;
}

export function createPresence(now: () => number, violated: (what: string) => void): Presence {
  const queues = new Map<string, Map<bigint, Stay>>();

  return {
    changed({ key, claims }) {
      const stays = queues.get(key) ?? new Map<bigint, Stay>();
      queues.set(key, stays);
      const there = new Set(claims.map(({ token }) => token));
      for (const [token, stay] of stays) if (!there.has(token)) stay.leftAt ??= now();
      claims.forEach(({ token, meta, owner }, place) => {
        const stay = stays.get(token) ?? { wasFirst: false, leftAt: undefined };
        const isNew = !stays.has(token);
        stays.set(token, stay);
        stay.wasFirst ||= mayBeTogether(claims.slice(0, place + 1));
        if (isNew && !stay.wasFirst && tryOf(meta) !== undefined) violated(`a try of ${owner} queues for ${key}`);
      });
    },

    forget: () => queues.clear(),

    wasFirst(key, token, since) {
      const stay = queues.get(key)?.get(token);
      return stay !== undefined && stay.wasFirst && (stay.leftAt === undefined || stay.leftAt >= since);
    },
  };
}
