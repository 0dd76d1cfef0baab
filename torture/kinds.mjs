/**
 * The kinds of lock: how each is made, and who may hold together. A kind that this build of rxlock does not have yet
 * is left out of the run.
 */

/**
 * @typedef {object} Kind
 * @property {readonly string[]} keys that it contends for
 * @property {number} weight how often it is chosen
 * @property {string} [needs] the verb of `Locks` that makes it; without it the kind is left out
 * @property {(locks: any, keys: readonly string[]) => any} make
 * @property {readonly string[]} [forms] in which it is used, where those of a lock are not its own
 * @property {number} [takes] how many keys one of it takes
 * @property {boolean} [writes] whether a holder writes to the fenced register of its key
 * @property {boolean} [isLong] for those who hold for long, up to three ttl
 */

export const PERMITS = 2;

/** How long what one of a fleet has done for all stays done: short, so that it is run often. */
export const KEEP = 3000;

/** @type {Readonly<Record<string, Kind>>} */
export const KINDS = {
  mutex: {
    // Each client that stands still stops the queues it stands in: there must be others.
    keys: Array.from({ length: 12 }, (_, i) => `m/${i}`),
    weight: 6,
    make: (locks, [key]) => locks.mutex(key),
    writes: true,
  },
  'long mutex': {
    keys: ['long/0', 'long/1'],
    weight: 1,
    make: (locks, [key]) => locks.mutex(key),
    writes: true,
    isLong: true,
  },
  semaphore: {
    keys: ['s/0'],
    weight: 2,
    needs: 'semaphore',
    make: (locks, [key]) => locks.semaphore(key, PERMITS),
  },
  reader: { keys: ['rw/0'], weight: 2, needs: 'readLock', make: (locks, [key]) => locks.readLock(key) },
  writer: {
    keys: ['rw/0'],
    weight: 1,
    needs: 'writeLock',
    make: (locks, [key]) => locks.writeLock(key),
  },
  // On the keys of the mutexes: they exclude each other.
  all: {
    keys: ['m/0', 'm/1', 'm/2'],
    weight: 1,
    needs: 'all',
    takes: 2,
    make: (locks, keys) => locks.all(...keys.map((key) => locks.mutex(key))),
  },
  // Who holds runs it, the others get what came of it.
  once: {
    keys: ['o/0', 'o/1', 'o/2', 'o/3'],
    weight: 3,
    needs: 'once',
    make: (locks, [key]) => locks.once(key, { keep: KEEP }),
    forms: ['runOnce', 'run'],
    writes: true,
  },
};

/** The kinds that these locks have. */
export const kindsOf = (locks) =>
  Object.entries(KINDS)
    .filter(([, { needs }]) => needs === undefined || typeof locks[needs] === 'function')
    .map(([name, kind]) => ({ name, ...kind }));

/**
 * Whether holders of one key may hold at the same time.
 *
 * @param {readonly { readonly kind: string }[]} holders
 */
export function mayHoldTogether(holders) {
  if (holders.length < 2) return true;
  if (holders.every(({ kind }) => kind === 'reader')) return true;
  return holders.every(({ kind }) => kind === 'semaphore') && holders.length <= PERMITS;
}
