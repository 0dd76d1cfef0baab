/**
 * The requests of one manager that are not granted yet, and how one that steals gets before them.
 */
import type { Holder, Lock } from '../index.js';
import type { LockRequest } from './lock-request.js';

export class RequestList {
  readonly #ungranted = new Set<LockRequest>();
  /** By name, until the latest request that steals stands in the queue: what comes later waits for that. */
  readonly #steals = new Map<string, Promise<void>>();

  /** Begins the request, behind those of its name that were added before. */
  add(request: LockRequest): void {
    this.#note(request);
    const before = this.#steals.get(request.name);
    if (before) void before.then(() => request.begin());
    else request.begin();
  }

  /** Begins the request in front of those of this manager that wait, and takes the lock from who holds it. */
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

  /** Resolves when all that has been requested before stands in its queue on the server, is granted, or has ended. */
  async decided(): Promise<void> {
    await Promise.all([...this.#ungranted].map((request) => request.decided()));
  }

  #note(request: LockRequest): void {
    this.#ungranted.add(request);
    const forget = (): boolean => this.#ungranted.delete(request);
    request.granted.then(forget, forget);
  }

  /** A claim cannot overtake another in a queue, so those in front go and come again behind it. */
  async #stealPast(earlier: readonly LockRequest[], request: LockRequest, lock: Lock, reason: string): Promise<void> {
    // One that is under way might hold when it arrives, and could not be taken from anybody before.
    await Promise.all(earlier.map((one) => one.decided()));
    const takeFrom = (holders: readonly Token[]): void => {
      revoked(lock, holders, reason).catch((error: unknown) => request.end(error));
    };
    // Those that steal themselves are granted, as on the platform, and lose it then.
    for (const { steals, granted } of earlier) if (steals) granted.then((held) => takeFrom([held]), ignored);
    const deferred = earlier.filter(({ isWaiting, steals }) => isWaiting && !steals);
    for (const one of deferred) one.defer();
    // Exactly those who hold when the request comes into the queue: later holders queued before it.
    request.begin(({ holders }) => takeFrom(holders));
    await request.decided();
    for (const one of deferred) one.begin();
  }
}

type Token = Pick<Holder, 'fencingToken'>;

const revoked = async (lock: Lock, holders: readonly Token[], reason: string): Promise<void> => {
  await Promise.all(holders.map(({ fencingToken }) => lock.revoke({ reason, within: 0, fencingToken })));
};

/** Its own request tells why it was not granted. */
const ignored = (): void => undefined;
