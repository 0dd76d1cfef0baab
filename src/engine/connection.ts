/**
 * Whether the server answers: one event at the beginning of an outage and one at its end, however many requests fail
 * meanwhile.
 */
import type { LockEvent } from '../api/events.js';

export interface Connection {
  /** Why the server does not answer at the moment; `undefined` while it answers. */
  readonly cause: Error | undefined;
  /** A request failed, and a later attempt may succeed. */
  failed(cause: Error): void;
  /** A request was answered. */
  answered(): void;
}

export function createConnection(report: (event: LockEvent) => void, now: () => number): Connection {
  let outage: { readonly cause: Error; readonly since: number } | undefined;
  return {
    get cause() {
      return outage?.cause;
    },
    failed(cause) {
      if (outage) return;
      outage = { cause, since: now() };
      report({ type: 'disconnected', cause });
    },
    answered() {
      if (!outage) return;
      const downFor = now() - outage.since;
      outage = undefined;
      report({ type: 'connected', downFor });
    },
  };
}
