/**
 * Which session a claim hangs on: one for all, or one each, as the backend's leases go.
 */
import { randomBytes } from 'node:crypto';
import { ReplaySubject, defer, share, takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Engine } from './engine.js';
import { session$ } from './session.js';
import type { Session } from './session.js';

export interface Sessions {
  /** A session to contend in for `key`: emits it once it is granted, errors when it ends. */
  session(key: string): Observable<Session>;
  /** Ends the session that is open; there will be no other. */
  close(): void;
}

export function createSessions(engine: Engine): Sessions {
  const { backend, settings, time } = engine;
  const closed = new ReplaySubject<void>(1);
  const opened$ = (key?: string): Observable<Session> =>
    defer(() => session$(engine, { id: leaseId(), ttl: settings.ttl, owner: settings.owner, key })).pipe(
      takeUntil(closed),
    );

  const shared$ = opened$().pipe(
    share({
      connector: () => new ReplaySubject(1),
      // It lingers, so that locks taken one after another pay for one grant.
      resetOnRefCountZero: () => time.after(settings.ttl),
    }),
  );
  return {
    session: (key) => (backend.leasePer === 'session' ? shared$ : opened$(key)),
    close: () => closed.next(),
  };
}

/** 63 random bits: etcd's lease ids are positive int64, and ours must not collide with anybody's. */
function leaseId(): string {
  const bits = BigInt.asUintN(63, randomBytes(8).readBigUInt64BE());
  return (bits || 1n).toString(16);
}
