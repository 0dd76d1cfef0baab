/**
 * The memory that the thread that holds a lease shares with its renewal worker: a few numbers, each read and written
 * atomically.
 */

const SLOTS = { aliveAt: 0, newest: 1, direct: 2, renewal: 3 } as const;

/**
 * A renewal is stored in one number, so that both parts are written together. A longer ttl is cut to the largest that
 * fits.
 */
const TTL_BITS = 17n;
const LONGEST_TTL = 2 ** Number(TTL_BITS) - 1;

/** An answered renewal. */
export interface Renewal {
  /** When it was sent, milliseconds on the clock of the process, rounded down. */
  readonly sentAt: number;
  /** The granted TTL, seconds. */
  readonly ttl: number;
}

export class SharedMemory {
  readonly buffer: SharedArrayBuffer;
  readonly #slots: BigInt64Array;

  constructor(buffer = new SharedArrayBuffer(8 * Object.keys(SLOTS).length)) {
    this.buffer = buffer;
    this.#slots = new BigInt64Array(buffer);
  }

  /** When the thread that holds the lease last tried to renew, milliseconds on the clock of the process. */
  get aliveAt(): number {
    return Number(this.#get('aliveAt')) / 1000;
  }
  set aliveAt(at: number) {
    this.#set('aliveAt', BigInt(Math.floor(at * 1000)));
  }

  /** The newest revision of the server that this thread knows. */
  get newest(): bigint {
    return this.#get('newest');
  }
  set newest(revision: bigint) {
    this.#set('newest', revision);
  }

  /** Which hosts, by their index in the list, are known to be etcd itself and not a proxy. */
  isDirect(place: number): boolean {
    return ((this.#get('direct') >> BigInt(place)) & 1n) === 1n;
  }
  set direct(places: readonly boolean[]) {
    const bits = places.reduce((sum, is, place) => (is && place < 62 ? sum | (1n << BigInt(place)) : sum), 0n);
    this.#set('direct', bits);
  }

  /** The latest renewal of the worker. */
  get renewal(): Renewal | undefined {
    const both = this.#get('renewal');
    if (both === 0n) return undefined;
    return { sentAt: Number(both >> TTL_BITS), ttl: Number(both & BigInt(LONGEST_TTL)) };
  }
  answered({ sentAt, ttl }: Renewal): void {
    const both = (BigInt(Math.floor(sentAt)) << TTL_BITS) | BigInt(Math.min(Math.floor(ttl), LONGEST_TTL));
    this.#set('renewal', both);
  }

  #get(slot: keyof typeof SLOTS): bigint {
    return Atomics.load(this.#slots, SLOTS[slot]);
  }

  #set(slot: keyof typeof SLOTS, value: bigint): void {
    Atomics.store(this.#slots, SLOTS[slot], value);
  }
}
