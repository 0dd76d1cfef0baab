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

/** An answer of the v2 API. A refusal is an answer, too: a taken key is no fault. */
export interface Answer {
  /** The index of the store at the answer. */
  readonly index: bigint;
  /** The path of the key: `/jobs/17`. Empty for a refusal. */
  readonly path: string;
  /** The key as it is now, if it exists. */
  readonly node: StoredKey | undefined;
  /** Whether the path is a directory, which cannot be locked. */
  readonly isFolder: boolean;
  /** The visible entries of a directory, one level deep. */
  readonly below: readonly { readonly path: string; readonly isFolder: boolean }[];
  /** Set if the server refused. */
  readonly refusal: Refusal | undefined;
}

/** Sends a call. `once` makes options for this call only, since node-etcd writes into them. */
export type Send = (
  client: NodeEtcd,
  once: (options?: RequestOptions) => RequestOptions,
  done: Callback,
) => CancellationToken;

/** No repeats: node-etcd would repeat a failed call for up to 27 s, and the engine has its own retry. */
const once = (options: RequestOptions = {}): RequestOptions => ({ ...options, maxRetries: 0 });

const time = timeOf();

/**
 * A call at the current endpoint. If the endpoint fails, or is silent for more than half of the timeout, the next
 * endpoint is used from then on. A call that is cancelled earlier says nothing about the endpoint.
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

/** A call without a time limit. If it is cancelled before its answer, that says nothing about the endpoint. */
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
  // The root has no `key` field.
  const path = typeof key === 'string' ? key : '/';
  const isRead = body['action'] === 'get';
  if (!isRead && typeof modifiedIndex !== 'number') return undefined;
  // A read shows the store at the index of the header. A write or an event belongs to the index at which it happened:
  // the header can be far ahead of it when a watch is answered from history (measured).
  const index = isRead ? BigInt(header) : BigInt(Number(modifiedIndex));
  // Without a value, the key was deleted, has expired, or is a directory.
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
  if (ended) advice = 'the answer is empty, as when a server or proxy ends a long request.';
  return new BackendError(`node-etcd could not ${what}: ${advice}`, { retryable: !off });
}

const describe = (body: unknown): string => inspect(body, { depth: 1 }).slice(0, 200);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
