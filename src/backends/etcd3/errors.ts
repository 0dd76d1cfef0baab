/**
 * What the errors of a client mean for a lock, with advice. Our client and npm etcd3 write status and server message in
 * the same form: `14 UNAVAILABLE: …`.
 */
import { BackendError } from '../../api/errors.js';
import type { RequestOutcome } from '../../api/errors.js';

interface Meaning {
  readonly matches: RegExp;
  readonly retryable: boolean;
  /** Set if it differs from the default for `retryable`. */
  readonly outcome?: RequestOutcome;
  readonly advice: string;
}

const NO_SPACE = /database space exceeded|NOSPACE/i;

/** A token is valid only for the users and roles at the time of its issue (JWT), and for the server that issued it. */
const STALE_TOKEN = /revision of auth store is old|invalid auth token/;

/** Not the refusal of a large request by the server, which begins with "grpc: received". */
const LARGE_ANSWER = /: Received message larger than max/;

/**
 * Errors are recognized by their text, since a bundler may rename classes. The first match counts; an error without a
 * match is retryable.
 */
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
    advice: 'the user name or the password is wrong or missing: check `auth` of the client.',
  },
  {
    // The outcome is unknown: etcd checks the quota once more after it has carried out the put.
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
    // The client refuses the answer, so the request may have been carried out. A repeated request finds its claim, and
    // the queue is then read in pages.
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
    // The deadline of the client came slightly before our timeout.
    matches: /DEADLINE_EXCEEDED/,
    retryable: true,
    advice: 'the server did not answer in time. Is it up, and are hosts and firewall right?',
  },
  { matches: /circuit breaker/i, retryable: true, advice: "the client's own circuit breaker is open." },
];

/** The error of the client as a BackendError, with advice. */
export function toBackendError(what: string, error: unknown): BackendError {
  if (error instanceof BackendError) return error;
  const text = textOf(error);
  const meaning = MEANINGS.find(({ matches }) => matches.test(text));
  const { retryable = true, outcome, advice = text } = meaning ?? {};
  const [place] = REFUSED_BY.exec(text) ?? [];
  const where = place && advice !== text ? ` (${place})` : '';
  return new BackendError(`etcd could not ${what}: ${advice}${where}`, { retryable, outcome, cause: error });
}

/** What the system says of an address: it has no credentials in it, and shows which host is meant. */
const REFUSED_BY = /\b(?:connect|getaddrinfo) E[A-Z_]+ [\w.:[\]-]+/;

/** Whether the token was refused; another one may be accepted. */
export const isTokenStale = (error: unknown): boolean => STALE_TOKEN.test(textOf(error));

/** Whether the answer is larger than the limit of the client. */
export const isAnswerTooLarge = (error: unknown): boolean => LARGE_ANSWER.test(textOf(error));

const textOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

/** Whether the server is out of space: it refuses puts, but still deletes. */
export const isOutOfSpace = (error: unknown): boolean => error instanceof Error && NO_SPACE.test(error.message);

/** Whether the lease of a request does not exist (any more). */
export const isLeaseGone = (error: unknown): boolean =>
  error instanceof Error && error.message.includes('requested lease not found');

/** Whether the lease exists already: an earlier grant of ours succeeded, and its answer was lost. */
export const isLeaseKnown = (error: unknown): boolean =>
  error instanceof Error && error.message.includes('lease already exists');

/** Whether a transaction has more operations than the server takes. */
export const isTooManyOperations = (error: unknown): boolean =>
  error instanceof Error && error.message.includes('too many operations');
