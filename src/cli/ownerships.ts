/**
 * Who holds what, as the library tells it: the one place that knows those names.
 */
import type { Observable } from 'rxjs';
import type { Locks, Ownerships } from '../index.js';

export const watchedAll = (locks: Locks, prefix: string): Observable<Ownerships> => locks.watchAll$(prefix);
