/**
 * What the errors of a client mean for a lock, and what to do about them. Ours and npm etcd3's tell the status and the
 * server's words alike, `14 UNAVAILABLE: …`.
 */
import { BackendError } from '../../api/errors.js';
import type { RequestOutcome } from '../../api/errors.js';

interface Meaning {
  readonly matches: RegExp;
  readonly retryable: boolean;
  /** Where it is not what `retryable` says by itself. */
  readonly outcome?: RequestOutcome;
  readonly advice: string;
}

const NO_SPACE = /database space exceeded|NOSPACE/i;

/** A token is of the users and roles as they were when it was given (JWT), and of the server that gave it. */
const STALE_TOKEN = /revision of auth store is old|invalid auth token/;

/** The server's refusal of a large request begins with "grpc: received". */
const LARGE_ANSWER = /: Received message larger than max/;

/** By the text of the client's error, since a bundler may change the names of classes: the first that matches. Anything else may pass. */
const MEANINGS: readonly Meaning[] = [
  {
    matches: STALE_TOKEN,
    retryable: true,
    advice:
      'the server no longer accepts the token of the client, as after a change of users or roles. If this goes on with a client of your own, give etcd3Backend() the options instead.',
  },
  {
    matches: /PERMISSION_DENIED|permission denied/,
    retryable: false,
    advice: "the user may not read and write the lock's key: grant its role readwrite on the prefix of your locks.",
  },
  {
    matches: /authentication failed|user name is empty/,
    retryable: false,
    advice: 'user name or password are wrong, or missing: check `auth` of the client.',
  },
  {
    // It may come after the put was carried out (etcd looks at the quota once more, when it is too late to refuse).
    matches: NO_SPACE,
    retryable: false,
    outcome: 'unknown',
    advice: 'the server is out of space: compact, defragment, then `etcdctl alarm disarm`. Held locks go on.',
  },
  {
    matches: /too many operations/i,
    retryable: false,
    advice: 'the server does not take that many keys at once: raise its `--max-txn-ops`, or lock fewer keys together.',
  },
  {
    // Of an answer, by the client: what was asked for may have been carried out. Asked again, a claim is found, and its
    // queue read in pages.
    matches: LARGE_ANSWER,
    retryable: true,
    advice:
      'the answer is larger than 4 MB, the limit of the client: keys below the name of the lock hold much data. Use separate names for locks.',
  },
  {
    matches: /INVALID_ARGUMENT|too large|larger than max|OUT_OF_RANGE/i,
    retryable: false,
    advice: 'the server says that the request is invalid.',
  },
  {
    matches: /client was already closed/,
    retryable: false,
    advice: 'the etcd client was closed: close the locks first.',
  },
  {
    matches: /certificate|SSL routines/i,
    retryable: true,
    advice:
      'no TLS connection, because of a certificate: check `credentials` of the client, and `hosts` against the names in the certificate of the server.',
  },
  {
    matches: /no leader/i,
    retryable: true,
    advice: 'this member has no leader: it is cut off from its cluster, or an election is going on.',
  },
  {
    matches: /UNAVAILABLE|ECONNREFUSED|failed to connect|No connection established/,
    retryable: true,
    advice: 'no answer: is etcd running, and are the `hosts` of the client right?',
  },
  {
    // Where the client's own deadline comes first, by a hair.
    matches: /DEADLINE_EXCEEDED/,
    retryable: true,
    advice: 'the server did not answer in time. Is it up, and are hosts and firewall right?',
  },
  { matches: /circuit breaker/i, retryable: true, advice: "the client's own circuit breaker is open." },
];

/** The client's error as ours, with a sentence that says what to do. */
export function toBackendError(what: string, error: unknown): BackendError {
  if (error instanceof BackendError) return error;
  const text = textOf(error);
  const meaning = MEANINGS.find(({ matches }) => matches.test(text));
  const { retryable = true, outcome, advice = text } = meaning ?? {};
  return new BackendError(`etcd3 could not ${what}: ${advice}`, { retryable, outcome, cause: error });
}

/** Another token may be taken. */
export const isTokenStale = (error: unknown): boolean => STALE_TOKEN.test(textOf(error));

/** The answer is larger than the client takes. */
export const isAnswerTooLarge = (error: unknown): boolean => LARGE_ANSWER.test(textOf(error));

const textOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

/** It takes no more writes, but still deletes. */
export const isOutOfSpace = (error: unknown): boolean => error instanceof Error && NO_SPACE.test(error.message);

/** The lease that a request names does not exist (any more). */
export const isLeaseGone = (error: unknown): boolean =>
  error instanceof Error && error.message.includes('requested lease not found');

/** The lease that was to be granted exists: an earlier grant of ours, whose answer was lost. */
export const isLeaseKnown = (error: unknown): boolean =>
  error instanceof Error && error.message.includes('lease already exists');

/** More operations in one transaction than the server takes. */
export const isTooManyOperations = (error: unknown): boolean =>
  error instanceof Error && error.message.includes('too many operations');
