/**
 * The signals we get, from the first instant on: who is not ready for them yet finds them later.
 */

/** Those that end a process and can be caught. */
export const FORWARDED = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
] as const satisfies readonly NodeJS.Signals[];

export interface Signals {
  /** Those that came so far. */
  readonly received: readonly NodeJS.Signals[];
  /** Calls for each that came and will come, until what it returns is called. */
  each(take: (signal: NodeJS.Signals) => void): () => void;
}

/** Catches them from now on. */
export function caught(): Signals {
  const received: NodeJS.Signals[] = [];
  const takers = new Set<(signal: NodeJS.Signals) => void>();
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      received.push(signal);
      for (const take of [...takers]) take(signal);
    });
  }
  return {
    received,
    each: (take) => {
      for (const signal of received) take(signal);
      takers.add(take);
      return () => takers.delete(take);
    },
  };
}
