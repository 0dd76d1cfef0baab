/**
 * Whether the server answers: one event at the beginning of an outage and one at its end, however many requests fail
 * meanwhile.
 */
import type { LockEvent } from '../api/events.js';

export interface Connection {
  /** Why the server does not answer at the moment; `undefined` while it answers. */
  readonly cause: Error | undefined;
  /** How many requests have been answered. */
  readonly answers: number;
  /**
   * A request failed, and a later attempt may succeed. This is an outage only if no request has been answered since this
   * one was sent: after an outage, requests that were sent during it still fail.
   *
   * @param before the number of answers when the request was sent
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
