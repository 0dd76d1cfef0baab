/**
 * Whether the server answers: one event at the beginning of an outage and one at its end, however much is asked
 * meanwhile.
 */
import type { LockEvent } from '../api/events.js';

export interface Connection {
  /** Why the server does not answer at the moment; nothing while it does. */
  readonly cause: Error | undefined;
  /** How many answers there have been. */
  readonly answers: number;
  /**
   * A request failed in a way that may pass. It shows an outage only if nothing has been answered since it was sent: when
   * an outage ends, some of what was sent before that has still to fail.
   *
   * @param before how many answers there had been when it was sent
   */
  failed(cause: Error, before: number): void;
  /** A request was answered. */
  answered(): void;
}

export function createConnection(report: (event: LockEvent) => void, now: () => number): Connection {
  let outage: { readonly cause: Error; readonly since: number } | undefined;
  let answers = 0;
  return {
    get answers() {
      return answers;
    },
    get cause() {
      return outage?.cause;
    },
    failed(cause, before) {
      if (outage || answers > before) return;
      outage = { cause, since: now() };
      report({ type: 'disconnected', cause });
    },
    answered() {
      answers += 1;
      if (!outage) return;
      const downFor = now() - outage.since;
      outage = undefined;
      report({ type: 'connected', downFor });
    },
  };
}
