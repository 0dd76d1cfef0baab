/**
 * The locks that all managers of a prefix hold and wait for, read from the server.
 */
import { defer, firstValueFrom, from, ignoreElements, map, race, retry, throwIfEmpty } from 'rxjs';
import type { Observable } from 'rxjs';
import { LocksClosedError } from '../index.js';
import type { Holder, Locks, Ownership } from '../index.js';
import { decoded } from './names.js';
import type { LockInfo, LockManagerSnapshot } from './lock-manager.js';
import { readNote } from './note.js';

/** Reads after `decided` has resolved, so that all earlier requests are included. */
export async function snapshot(locks: Locks, prefix: string, decided: Promise<void>): Promise<LockManagerSnapshot> {
  // An outage ends the wait with an error: otherwise it could take for ever.
  await firstValueFrom(race(from(decided), read$(locks, prefix).pipe(ignoreElements())), { defaultValue: undefined });
  const closed = (): LocksClosedError => new LocksClosedError({ key: prefix });
  const all = await firstValueFrom(read$(locks, prefix).pipe(throwIfEmpty(closed)));
  return {
    held: infos(prefix, all, ({ holders }) => holders),
    pending: infos(prefix, all, ({ waiters = [] }) => waiters),
  };
}

/** How often a failed read is repeated. */
const RETRIES = 2;

/** The held locks below the prefix; errors while the server cannot be watched. */
const read$ = (locks: Locks, prefix: string): Observable<readonly Held[]> =>
  defer(() => locks.watchAll$(prefix)).pipe(
    map(({ all, cause }) => {
      if (cause) throw cause;
      return [...all.values()].filter((ownership) => ownership.status === 'held');
    }),
    retry({ count: RETRIES, resetOnSuccess: true }),
  );

type Held = Extract<Ownership, { status: 'held' }>;

/** Sorted by token, which is the order of the requests. */
function infos(prefix: string, all: readonly Held[], of: (held: Held) => readonly Holder[]): LockInfo[] {
  return all
    .flatMap((held) => of(held).map((one) => ({ one, key: held.key.slice(prefix.length) })))
    .sort((a, b) => (a.one.fencingToken < b.one.fencingToken ? -1 : 1))
    .map(({ one, key }) => infoOf(one, key));
}

function infoOf({ owner, kind, meta }: Holder, key: string): LockInfo {
  const { clientId = owner, name = decoded(key) } = readNote(meta);
  return { name, mode: kind === 'read' ? 'shared' : 'exclusive', clientId };
}
