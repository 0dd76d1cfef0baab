/**
 * Collects signals from the start of the process: later code finds those that came before it was ready.
 */

/** The signals that end a process and can be caught. */
export const FORWARDED = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
] as const satisfies readonly NodeJS.Signals[];

export interface Signals {
  /** The signals that came so far. */
  readonly received: readonly NodeJS.Signals[];
  /**
   * Calls `take` for each signal that came before, and for each that follows, until the returned function is called.
   */
  each(take: (signal: NodeJS.Signals) => void): () => void;
}

/** Starts to collect signals. */
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
