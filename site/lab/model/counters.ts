/**
 * The counters that are written under the locks: one for each key, in a store that is not the lock server. A writer
 * reads, thinks, writes the value it read plus one. One copy of each counter takes every write, another one refuses
 * smaller tokens than it has seen.
 */
import type { SchedulerLike } from 'rxjs';
import type { Contention } from './program.js';
import type { WriteView } from './trace.js';

/** From reading to writing, ticks. */
export const THINKING = 3;

/** Whether its holder is alone, so that it may count. */
export const isExclusive = ({ kind }: Pick<Contention, 'kind'>): boolean => kind !== 'read' && kind !== 'semaphore';

/** The counter that is written under these keys. */
export const counterOf = ({ keys }: Pick<Contention, 'keys'>): string => [...keys].sort()[0] ?? '';

/** What a writer read. */
export interface Reading {
  readonly plain: number;
  readonly fenced: number;
}

export interface Counters {
  read(key: string): Reading;
  /** Arrives after `travel` ticks, whatever happens to its sender meanwhile; `landed` is called then. */
  write(
    write: { key: string; process: string; token: string | undefined; read: Reading; travel: number },
    landed: () => void,
  ): void;
  readonly writes: readonly WriteView[];
}

export function createCounters(scheduler: SchedulerLike, end: number): Counters {
  const states = new Map<string, { plain: number; fenced: number; highest: bigint }>();
  const writes: WriteView[] = [];

  const stateOf = (key: string): { plain: number; fenced: number; highest: bigint } => {
    const state = states.get(key) ?? { plain: 0, fenced: 0, highest: 0n };
    states.set(key, state);
    return state;
  };

  return {
    writes,
    read(key) {
      const { plain, fenced } = stateOf(key);
      return { plain, fenced };
    },
    write({ key, process, token, read, travel }, landed) {
      const sentAt = scheduler.now();
      scheduler.schedule(() => {
        const state = stateOf(key);
        const before = state.plain;
        state.plain = read.plain + 1;
        const refused = token !== undefined && BigInt(token) < state.highest;
        if (token !== undefined && !refused) {
          state.highest = BigInt(token);
          state.fenced = read.fenced + 1;
        }
        const at = scheduler.now();
        const plain = { before, after: state.plain };
        const fenced = token === undefined ? undefined : { after: state.fenced, refused };
        if (at <= end) writes.push({ at, key, process, sentAt, token, plain, fenced });
        landed();
      }, travel);
    },
  };
}
