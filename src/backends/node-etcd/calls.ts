/**
 * One call to etcd v2, as one cold attempt at one endpoint: no repeats by the client, cancelled on unsubscribe.
 */
import { inspect } from 'node:util';
import { Observable, defer, finalize, tap } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import { timeOf } from '../../time/clock.js';
import type { Callback, CancellationToken, ClientSource, NodeEtcd, RequestOptions } from './client.js';
import { refusalOf, toBackendError } from './errors.js';
import type { Refusal } from './errors.js';

/** A key of the v2 API, with its expiry. */
export interface StoredKey {
  readonly value: string;
  readonly createdIndex: number;
}

/** An answer of the v2 API, a refusal included: that the key is taken is an answer, not a fault. */
export interface Answer {
  /** The store's index when it was given. */
  readonly index: bigint;
  /** What it is about, as a path from the root: `/jobs/17`. Not said by a refusal. */
  readonly path: string;
  /** The key as it is now, if it is. */
  readonly node: StoredKey | undefined;
  /** Whether it is about a directory, which cannot be locked. */
  readonly isFolder: boolean;
  /** What lies right below a directory, and is not hidden. */
  readonly below: readonly { readonly path: string; readonly isFolder: boolean }[];
  /** Set when the server said no. */
  readonly refusal: Refusal | undefined;
}

/** What to send, with options made for one call only: node-etcd writes into them. */
export type Send = (
  client: NodeEtcd,
  once: (options?: RequestOptions) => RequestOptions,
  done: Callback,
) => CancellationToken;

/** node-etcd repeats what fails for up to 27 s; the engine has its own patience. */
const once = (options: RequestOptions = {}): RequestOptions => ({ ...options, maxRetries: 0 });

const time = timeOf();

/**
 * At the current endpoint. An endpoint that fails, or is silent for most of the time that the call may take, is
 * followed by the next one; a call that is given up earlier says nothing about the endpoint.
 *
 * @param timeout how long the engine waits for the answer, milliseconds
 */
export const call = (source: ClientSource, what: string, timeout: number, send: Send): Observable<Answer> =>
  defer(() => {
    const { client, failed } = source.endpoint();
    const started = time.now();
    let isOver = false;
    return request(client, what, send).pipe(
      tap({
        next: () => (isOver = true),
        error: (error: unknown) => {
          isOver = true;
          if (isFault(error)) failed(error);
        },
      }),
      finalize(() => {
        if (!isOver && time.now() - started > timeout / 2) failed(silence(what));
      }),
    );
  });

/** A call that may take for ever: ended before its answer, it says nothing about the endpoint. */
export const longCall = (source: ClientSource, what: string, send: Send): Observable<Answer> =>
  defer(() => {
    const { client, failed } = source.endpoint();
    return request(client, what, send).pipe(
      tap({
        error: (error: unknown) => {
          if (isFault(error)) failed(error);
        },
      }),
    );
  });

const isFault = (error: unknown): error is BackendError => error instanceof BackendError && error.retryable;

const silence = (what: string): BackendError =>
  new BackendError(`node-etcd could not ${what} in time: the next endpoint is asked.`, { retryable: true });

function request(client: NodeEtcd, what: string, send: Send): Observable<Answer> {
  return new Observable((subscriber) => {
    const answered: Callback = (error, body, headers) => {
      const refusal = refusalOf(error);
      if (error && !refusal) return subscriber.error(toBackendError(what, error));
      const answer = answerOf(body, headers, refusal);
      if (!answer) return subscriber.error(noAnswer(what, body));
      subscriber.next(answer);
      subscriber.complete();
    };
    try {
      const token = send(client, once, answered);
      return () => token.abort();
    } catch (error) {
      subscriber.error(error instanceof BackendError ? error : toBackendError(what, error));
      return undefined;
    }
  });
}

function answerOf(
  body: unknown,
  headers: Readonly<Record<string, unknown>> | undefined,
  refusal: Refusal | undefined,
): Answer | undefined {
  if (refusal) return { index: refusal.index, path: '', node: undefined, isFolder: false, below: [], refusal };
  const header = headers?.['x-etcd-index'];
  if (!isRecord(body) || !isRecord(body['node']) || typeof header !== 'string') return undefined;
  const { key, value, createdIndex, modifiedIndex, dir, nodes } = body['node'];
  // The root has no key of its own.
  const path = typeof key === 'string' ? key : '/';
  const isRead = body['action'] === 'get';
  if (!isRead && typeof modifiedIndex !== 'number') return undefined;
  // A read is of the store as it is; a write or an event is of the index at which it happened, which the header may be
  // far ahead of when a watch is answered from history (measured).
  const index = isRead ? BigInt(header) : BigInt(Number(modifiedIndex));
  // No value: the key was deleted or has expired, or is a directory.
  const isKey = typeof value === 'string' && typeof createdIndex === 'number';
  const node = isKey ? { value, createdIndex } : undefined;
  return { index, path, node, isFolder: dir === true, below: entriesOf(nodes), refusal: undefined };
}

const entriesOf = (nodes: unknown): Answer['below'] =>
  (Array.isArray(nodes) ? nodes : []).filter(isRecord).flatMap(({ key, dir }) => {
    return typeof key === 'string' ? [{ path: key, isFolder: dir === true }] : [];
  });

function noAnswer(what: string, body: unknown): BackendError {
  const off = typeof body === 'string' && body.includes('404 page not found');
  const ended = body === undefined || body === '';
  let advice = `what answered is not the v2 API of etcd: ${describe(body)}`;
  if (off) advice = 'the v2 API is off: start etcd (3.5 or older) with --enable-v2, or use rxlock/etcd3.';
  if (ended) advice = 'the answer is empty, as when a server or proxy ends what takes long.';
  return new BackendError(`node-etcd could not ${what}: ${advice}`, { retryable: !off });
}

const describe = (body: unknown): string => inspect(body, { depth: 1 }).slice(0, 200);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
