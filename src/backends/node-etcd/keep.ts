/**
 * A claim that stays in its slot after its client is done with it.
 */
import { map } from 'rxjs';
import type { Observable } from 'rxjs';
import type { ClaimRequest } from '../../backend/port.js';
import { call } from './calls.js';
import type { ClientSource } from './client.js';
import { pathOf, urlOf, valueOf } from './keys.js';

/**
 * One more ttl, under another value: a renewal that was sent before and comes late compares the old one, so it cannot
 * shorten it. A swap keeps createdIndex, which is the fencing token. That it compares no more means that it was done
 * before, or that the claim is gone.
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
