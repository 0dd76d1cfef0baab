/**
 * Overwrites of queued claims: a candidate proclaims, or a client asks a holder to release.
 */
import { defer, map } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import type { QueueBackend } from '../../backend/port.js';
import type { Send } from './group-commit.js';
import { askRequest, proclaimRequest, removeRequest, rewritten } from './requests.js';
import type { TxnRequest } from './requests.js';

export function createRewrites(send: Send): Required<Pick<QueueBackend, 'proclaim' | 'others'>> {
  /** JSON.stringify may throw for a value that somebody else has written, for example if it is nested too deep. */
  const write = (what: string, txn: () => TxnRequest, timeout: number) =>
    defer(() => {
      try {
        return send(txn(), timeout);
      } catch (cause) {
        const message = `etcd could not ${what}: the claim cannot be written as JSON.`;
        throw new BackendError(message, { retryable: false, cause });
      }
    });

  return {
    proclaim: ({ key }, mine, value, timeout) =>
      write(`proclaim at "${key}"`, () => proclaimRequest(key, mine, value), timeout).pipe(
        map((answer) => rewritten(key, { ...mine, value }, answer)),
      ),

    others: {
      ask: (key, claim, revocation, timeout) =>
        write(`ask for "${key}"`, () => askRequest(key, claim, revocation), timeout).pipe(
          map((answer) => rewritten(key, { ...claim, revocation }, answer)),
        ),
      remove: (key, claim, timeout) => send(removeRequest(key, claim), timeout).pipe(map(() => undefined)),
    },
  };
}
