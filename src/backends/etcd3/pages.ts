/**
 * Reads ranges page by page, since they may be larger than one answer can be.
 */
import { EMPTY, catchError, defer, expand, map, reduce, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import { accessToRead } from './access.js';
import { isAnswerTooLarge } from './errors.js';
import type { Transaction } from './group-commit.js';
import type { KeyRange, StoredClaim } from './keys.js';
import { readRequest } from './requests.js';

/** Some keys of a prefix, and whether there are more. */
export interface Page {
  readonly revision: bigint;
  readonly kvs: readonly StoredClaim[];
  readonly more: boolean;
}

/** A page after the first one, read at the revision of the first. */
export interface PageRequest extends KeyRange {
  readonly limit: number;
  readonly revision: string;
}

type Commit = (transaction: Transaction<Page>, timeout: number) => Observable<Page>;
type Range = (
  request: PageRequest,
  what: string,
  timeout: number,
) => Observable<{ readonly kvs: readonly StoredClaim[]; readonly more: boolean }>;

/** The number of keys in a page, unless they are large. */
const KEYS = 2000;

/** Reads all keys that begin with a text, at the revision of the first page. */
export function createReader(commit: Commit, range: Range): (beginning: string, timeout: number) => Observable<Page> {
  return (beginning, timeout) => {
    const what = `read what begins with "${beginning}"`;
    const first = (limit: number): Observable<Page> =>
      commit(
        {
          what: () => what,
          txn: () => ({ success: [{ request_range: readRequest(beginning, limit) }] }),
          access: () => accessToRead(beginning),
          names: [beginning],
          kind: 'read',
          lease: '',
          read({ revision, responses: [response] }) {
            const { kvs = [], more = false } = response?.response_range ?? {};
            return { revision, kvs, more };
          },
        },
        timeout,
      );
    const next = (revision: bigint, after: StoredClaim, limit: number): Observable<Page> =>
      range({ ...readRequest(beginning, limit, after.key), revision: revision.toString() }, what, timeout).pipe(
        map(({ kvs, more }) => ({ revision, kvs, more })),
      );

    return defer(() => {
      let limit = KEYS;
      /** The limit of an answer is 4 MB: a larger page is read in halves. */
      const fitting = (page: (limit: number) => Observable<Page>): Observable<Page> =>
        page(limit).pipe(
          catchError((error: unknown) => {
            const isTooLarge = error instanceof BackendError && isAnswerTooLarge(error.cause);
            if (!isTooLarge || limit === 1) return throwError(() => error);
            limit = Math.ceil(limit / 2);
            return fitting(page);
          }),
        );
      return fitting(first).pipe(
        expand(({ revision, kvs, more }) => {
          const last = kvs.at(-1);
          return more && last ? fitting((size) => next(revision, last, size)) : EMPTY;
        }),
        reduce((all, { revision, kvs }) => ({ revision, kvs: [...all.kvs, ...kvs], more: false })),
      );
    });
  };
}
