/**
 * node-etcd has no types anywhere: this is what rxlock uses of it. The user's client fits structurally, so that the
 * package itself is never loaded from here.
 */
import { inspect } from 'node:util';
import { Observable } from 'rxjs';
import { BackendError } from '../../core/errors.js';
import { refusalOf, toBackendError } from './errors.js';
import type { Refusal } from './errors.js';

/** Query parameters of the v2 API, and node-etcd's own `maxRetries`. */
export type RequestOptions = Readonly<Record<string, string | number | boolean>>;

export type Callback = (error: unknown, body?: unknown, headers?: Readonly<Record<string, unknown>>) => void;

/** What a call returns: the way to cancel it. The callback does not come after that. */
export interface CancellationToken {
  abort(): void;
}

/** The client that `new Etcd(hosts, options)` of npm node-etcd makes. */
export interface NodeEtcd {
  get(key: string, options: RequestOptions, callback: Callback): CancellationToken;
  set(key: string, value: string | null, options: RequestOptions, callback: Callback): CancellationToken;
  compareAndDelete(key: string, value: string, options: RequestOptions, callback: Callback): CancellationToken;
}

/** A key of the v2 API, with its expiry. */
export interface StoredKey {
  readonly value: string;
  readonly createdIndex: number;
}

/** An answer of the v2 API, a refusal included: that the key is taken is an answer, not a fault. */
export interface Answer {
  /** The store's index when it was given. */
  readonly index: bigint;
  /** The key as it is now, if it is. */
  readonly node: StoredKey | undefined;
  /** Set when the server said no. */
  readonly refusal: Refusal | undefined;
}

/** One call, as one cold attempt: no repeats by the client (its back-off takes 27 s), cancelled on unsubscribe. */
export function call(what: string, run: (callback: Callback) => CancellationToken): Observable<Answer> {
  return new Observable((subscriber) => {
    const token = run((error, body, headers) => {
      const refusal = refusalOf(error);
      if (error && !refusal) return subscriber.error(toBackendError(what, error));
      const answer = answerOf(body, headers, refusal);
      if (!answer) return subscriber.error(noAnswer(what, body));
      subscriber.next(answer);
      subscriber.complete();
    });
    return () => token.abort();
  });
}

function answerOf(
  body: unknown,
  headers: Readonly<Record<string, unknown>> | undefined,
  refusal: Refusal | undefined,
): Answer | undefined {
  if (refusal) return { index: refusal.index, node: undefined, refusal };
  const header = headers?.['x-etcd-index'];
  if (!isRecord(body) || !isRecord(body['node']) || typeof header !== 'string') return undefined;
  const { value, createdIndex, modifiedIndex } = body['node'];
  if (typeof createdIndex !== 'number' || typeof modifiedIndex !== 'number') return undefined;
  // A read is of the store as it is; a write or an event is of the index at which it happened, which the header may be
  // far ahead of when a watch is answered from history (measured).
  const index = body['action'] === 'get' ? BigInt(header) : BigInt(modifiedIndex);
  // No value: the key was deleted or has expired (or is a directory, which can never be locked).
  return { index, node: typeof value === 'string' ? { value, createdIndex } : undefined, refusal: undefined };
}

function noAnswer(what: string, body: unknown): BackendError {
  const off = typeof body === 'string' && body.includes('404 page not found');
  const advice = off
    ? 'the v2 API is off: start etcd (3.5 or older) with --enable-v2, or use rxlock/etcd3.'
    : `what answered is not the v2 API of etcd: ${describe(body)}`;
  return new BackendError(`node-etcd could not ${what}: ${advice}`, { retryable: !off });
}

const describe = (body: unknown): string => inspect(body, { depth: 1 }).slice(0, 200);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
