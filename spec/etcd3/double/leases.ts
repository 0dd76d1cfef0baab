/**
 * Leases: how long each has to run, and the keys that go with it.
 */
import { asyncScheduler } from 'rxjs';
import type { SchedulerLike, Subscription } from 'rxjs';
import { refusal } from './refusal.js';

interface Lease {
  readonly ttl: number;
  ends: number;
  timer: Subscription;
  readonly keys: Map<string, Buffer>;
}

/** Seconds: whoever asks for less gets this, with the default flags of a server. */
const LEAST = 2;

export class Leases {
  readonly #leases = new Map<string, Lease>();
  readonly #scheduler: SchedulerLike;
  readonly #ended: (keys: readonly Buffer[]) => void;

  /** @param ended deletes the keys of a lease that is over */
  constructor(ended: (keys: readonly Buffer[]) => void, scheduler: SchedulerLike = asyncScheduler) {
    this.#ended = ended;
    this.#scheduler = scheduler;
  }

  get ids(): readonly string[] {
    return [...this.#leases.keys()];
  }

  has(id: string): boolean {
    return this.#leases.has(id);
  }

  grant(id: string, asked: number): number {
    if (this.#leases.has(id)) throw refusal.leaseKnown();
    const ttl = Math.max(asked, LEAST);
    this.#leases.set(id, { ttl, ends: this.#in(ttl), timer: this.#timer(id, ttl), keys: new Map() });
    return ttl;
  }

  /** Seconds from now on: 0 where there is none. */
  renew(id: string): number {
    const lease = this.#leases.get(id);
    if (!lease) return 0;
    lease.timer.unsubscribe();
    lease.timer = this.#timer(id, lease.ttl);
    lease.ends = this.#in(lease.ttl);
    return lease.ttl;
  }

  revoke(id: string): void {
    const lease = this.#leases.get(id);
    if (!lease) throw refusal.leaseNotFound();
    lease.timer.unsubscribe();
    this.#leases.delete(id);
    this.#ended([...lease.keys.values()].sort((a, b) => a.compare(b)));
  }

  /** Whole seconds, rounded down; -1 where there is none. */
  timeToLive(id: string): { readonly left: number; readonly granted: number; readonly keys: readonly Buffer[] } {
    const lease = this.#leases.get(id);
    if (!lease) return { left: -1, granted: 0, keys: [] };
    const left = Math.floor((lease.ends - this.#scheduler.now()) / 1000);
    return { left, granted: lease.ttl, keys: [...lease.keys.values()] };
  }

  attach(id: string, key: Buffer): void {
    this.#leases.get(id)?.keys.set(key.toString('latin1'), key);
  }

  detach(id: string, key: Buffer): void {
    this.#leases.get(id)?.keys.delete(key.toString('latin1'));
  }

  /** All of them end without a word, as with the server that had them. */
  stop(): void {
    for (const { timer } of this.#leases.values()) timer.unsubscribe();
    this.#leases.clear();
  }

  #in = (seconds: number): number => this.#scheduler.now() + seconds * 1000;
  #timer = (id: string, seconds: number): Subscription =>
    this.#scheduler.schedule(() => this.revoke(id), seconds * 1000);
}
