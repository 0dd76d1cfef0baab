/**
 * The requests of one manager that have not been granted yet. A stealing request goes before them.
 */
import type { Holder, Lock } from '../index.js';
import type { LockRequest } from './lock-request.js';

export class RequestList {
  readonly #ungranted = new Set<LockRequest>();
  /** By name: resolves when the latest stealing request is in the queue. Later requests wait for that. */
  readonly #steals = new Map<string, Promise<void>>();

  /** Begins the request, behind the earlier requests of its name. */
  add(request: LockRequest): void {
    this.#note(request);
    const before = this.#steals.get(request.name);
    if (before) void before.then(() => request.begin());
    else request.begin();
  }

  /** Begins the request ahead of the waiting requests of this manager, and takes the lock from its holders. */
  addStealing(request: LockRequest, lock: Lock, reason: string): void {
    const { name } = request;
    const earlier = [...this.#ungranted].filter((one) => one.name === name);
    this.#note(request);
    const before = this.#steals.get(name) ?? Promise.resolve();
    const begun = before.then(() => this.#stealPast(earlier, request, lock, reason));
    this.#steals.set(name, begun);
    void begun.then(() => {
      if (this.#steals.get(name) === begun) this.#steals.delete(name);
    });
  }

  /** Resolves when all earlier requests are in their queues on the server, are granted, or have ended. */
  async decided(): Promise<void> {
    await Promise.all([...this.#ungranted].map((request) => request.decided()));
  }

  #note(request: LockRequest): void {
    this.#ungranted.add(request);
    const forget = (): boolean => this.#ungranted.delete(request);
    request.granted.then(forget, forget);
  }

  /** A claim cannot overtake another in a queue. So the waiting requests leave the queue, and come again behind it. */
  async #stealPast(earlier: readonly LockRequest[], request: LockRequest, lock: Lock, reason: string): Promise<void> {
    // Wait for requests that are under way: one of them may hold when it arrives, and only then can it be revoked.
    await Promise.all(earlier.map((one) => one.decided()));
    const takeFrom = (holders: readonly Token[]): void => {
      revoked(lock, holders, reason).catch((error: unknown) => request.end(error));
    };
    // An earlier stealing request is granted first, as on the platform, and then loses the lock.
    for (const { steals, granted } of earlier) if (steals) granted.then((held) => takeFrom([held]), ignored);
    const deferred = earlier.filter(({ isWaiting, steals }) => isWaiting && !steals);
    for (const one of deferred) one.defer();
    // Take the lock only from those that hold when the request is queued: later holders were queued before it.
    request.begin(({ holders }) => takeFrom(holders));
    await request.decided();
    for (const one of deferred) one.begin();
  }
}

type Token = Pick<Holder, 'fencingToken'>;

const revoked = async (lock: Lock, holders: readonly Token[], reason: string): Promise<void> => {
  await Promise.all(holders.map(({ fencingToken }) => lock.revoke({ reason, within: 0, fencingToken })));
};

/** The request itself reports why it was not granted. */
const ignored = (): void => undefined;
