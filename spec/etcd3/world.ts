/** A backend on an etcd in memory, asked verb by verb. Nothing ends by itself: no time goes by. */
import { VirtualTimeScheduler, firstValueFrom, lastValueFrom } from 'rxjs';
import type { Observable } from 'rxjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import type { ClaimRequest, EnqueueMode, Lease, QueuedClaim } from '../../src/index.js';
import { wayTo } from './double/client.js';
import type { Asked, Fate, Method } from './double/client.js';
import { EtcdDouble } from './double/etcd-double.js';
import { LEASE, claimOf, turns } from './fakes.js';

/** After all that was set off, a few questions and answers, has been carried out. */
export async function quiet(): Promise<void> {
  for (let i = 0; i < 6; i += 1) await turns();
}

export const WITHIN = 1000;

export const answerOf = <T>(verb$: Observable<T>): Promise<T> => lastValueFrom(verb$);

export const firstOf = <T>(verb$: Observable<T>): Promise<T> => firstValueFrom(verb$);

export const failing = (verb$: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(verb$, { defaultValue: undefined }).then(
    (value) => ({ 'no failure': value }),
    (error: unknown) => error,
  );

export function worldOf(etcd = new EtcdDouble(new VirtualTimeScheduler())) {
  const way = wayTo(etcd);
  const backend = etcd3Backend(way.user);
  return {
    etcd,
    way,
    backend,
    /** All keys there are, with NULs as `|`. */
    keys: (): string[] => etcd.store.in({ key: Buffer.of(0), range_end: Buffer.of(0) }).map(({ key }) => shown(key)),
    valueOf: (key: string): string | undefined => etcd.store.get(Buffer.from(key))?.value.toString(),
    put: (key: string, value = '', lease = '0') =>
      etcd.txn({ success: [{ request_put: { key: Buffer.from(key), value: Buffer.from(value), lease } }] }),
    remove: (key: string) => etcd.txn({ success: [{ request_delete_range: { key: Buffer.from(key) } }] }),
    async granted(more: Partial<Lease> = {}): Promise<Lease> {
      const lease = { ...LEASE, ...more };
      await answerOf(backend.grant(lease, WITHIN));
      return lease;
    },
    async entered(claim: ClaimRequest, mode: EnqueueMode = 'show'): Promise<QueuedClaim> {
      const answer = await answerOf(backend.enqueue([claim], WITHIN, mode));
      const mine = answer.status === 'queued' ? answer.entries[0]?.claim : undefined;
      if (!mine) throw new Error(`${claim.key}: ${answer.status}`);
      return mine;
    },
    /** What was asked since the last time. */
    asked: (): readonly Asked[] => way.asked.splice(0),
    /** The next call of a kind, and no other. */
    next(method: Method, fate: Fate): void {
      way.fate = (call) => {
        if (call.method !== method) return undefined;
        way.fate = () => undefined;
        return fate;
      };
    },
  };
}

export const shown = (key: Buffer): string => key.toString().replaceAll('\0', '|');

export const on = (lease: Lease, key: string, id: string, more: Partial<ClaimRequest> = {}): ClaimRequest =>
  claimOf(key, { lease, id, ...more });
