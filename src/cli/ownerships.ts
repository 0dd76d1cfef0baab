/**
 * The only file of the CLI that names the library's function for this.
 */
import type { Observable } from 'rxjs';
import type { Locks, Ownerships } from '../index.js';

export const watchedAll = (locks: Locks, prefix: string): Observable<Ownerships> => locks.watchAll$(prefix);
