/**
 * Keeps a claim in its slot after its release (`atLeast`).
 */
import { map } from 'rxjs';
import type { Observable } from 'rxjs';
import type { ClaimRequest } from '../../backend/port.js';
import { call } from './calls.js';
import type { ClientSource } from './client.js';
import { pathOf, urlOf, valueOf } from './keys.js';

/**
 * Writes a new ttl under another value. A renewal that was sent earlier and arrives late compares the old value, so it
 * cannot shorten the ttl. A swap keeps createdIndex, which is the fencing token. If the comparison fails, an earlier
 * attempt has done it, or the claim is gone.
 */
export const kept$ = (
  source: ClientSource,
  { key, lease }: ClaimRequest,
  ttl: number,
  timeout: number,
): Observable<void> =>
  call(source, `keep "${key}"`, timeout, (client, once, done) =>
    client.set(
      urlOf(pathOf(key)),
      `${valueOf(lease)}-kept`,
      once({ prevExist: true, prevValue: valueOf(lease), ttl }),
      done,
    ),
  ).pipe(map(() => undefined));
