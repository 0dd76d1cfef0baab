/**
 * Engines that are broken on purpose, each by a change of a line or two, and the scenario that has to find it. What is to
 * be replaced must be there: a line that moved is to be found again here.
 */

/**
 * @typedef {object} Broken
 * @property {string} by the scenario that finds it
 * @property {readonly (readonly [file: string, what: string, instead: string])[]} change
 */

/** @type {Readonly<Record<string, Broken>>} */
export const BROKEN = {
  'a guard that does not wait for predecessors': {
    by: 'guard after a hand-off',
    change: [['src/backends/etcd3/guards.ts', 'settled(held).pipe(', 'EMPTY.pipe(']],
  },
  'a guard that takes the first key of its range': {
    by: 'guard of nested names',
    change: [['src/backends/etcd3/guards.ts', 'kvs.find((kv) => isOurs(kv.key, prefix.length, id))', 'kvs.at(0)']],
  },
  'a guard that compares nothing': {
    by: 'guarded writes',
    change: [
      [
        'src/backends/etcd3/guards.ts',
        "[claim.key, 'Create', '==', token]",
        "[Buffer.from('nothing'), 'Create', '==', '0']",
      ],
    ],
  },
  'a guard that always refuses': {
    by: 'guarded writes',
    change: [
      ['src/backends/etcd3/guards.ts', "[claim.key, 'Create', '==', token]", "[claim.key, 'Create', '==', '1']"],
    ],
  },
  'a deadline at 1.4 ttl': {
    by: 'cut off from the server',
    change: [['src/rules/timing.ts', 'sentAt + ttl - margin', 'sentAt + 1.4 * ttl - margin']],
  },
  'a queue that is cut off counts as whole': {
    by: 'a queue beyond one answer',
    change: [['src/backends/etcd3/pages.ts', 'return more && last ?', 'return more && !last ?']],
  },
  'no tombstone of one key': {
    by: 'a claim that comes after its withdrawal',
    change: [['src/backends/etcd3/requests.ts', '[bury(claim), remove(claimKey(claim))]', '[remove(claimKey(claim))]']],
  },
  'no tombstones of several keys': {
    by: 'claims that come after their withdrawal',
    change: [['src/backends/etcd3/requests.ts', '[bury(claim), remove(claimKey(claim))]', '[remove(claimKey(claim))]']],
  },
  'a release that compares nothing': {
    by: "somebody else's claim",
    change: [
      ['src/backends/etcd3/requests.ts', 'const compare = [isStill(key, mine)];', 'const compare = [] as never[];'],
    ],
  },
  'a request to give way that drops the permits': {
    by: 'a semaphore that is asked for',
    change: [
      [
        'src/backends/etcd3/keys.ts',
        '{ owner, kind, permits, since, meta, ...asked }',
        '{ owner, kind, since, meta, ...asked }',
      ],
    ],
  },
  'permits of others that nobody can have': {
    by: 'a semaphore of others',
    change: [['src/backends/etcd3/keys.ts', ' && isPermits(permits)', '']],
  },
  'leases mixed in one transaction': {
    by: 'two sessions on one backend',
    change: [['src/backends/etcd3/group-commit.ts', 'a.lease === b.lease && ', '']],
  },
  'a watch that is never asked whether it speaks': {
    by: 'a watch that falls silent',
    change: [
      ['src/backends/etcd3/queues.ts', 'probe: (timeout) => watches.probe(timeout),', 'probe: () => of(undefined),'],
    ],
  },
  'a watch that is not cancelled on the server': {
    by: 'watches given up',
    change: [
      ['src/backends/etcd3/connection.ts', 'if (asked.answered !== undefined) this.#cancel(asked.answered);', ''],
    ],
  },
  'a server of another history taken for the same': {
    by: 'a server restored from its backup',
    change: [['src/backends/etcd3/incarnation.ts', 'if (now < newest) this.#anew', 'if (now < 0n) this.#anew']],
  },
  'a marker that compares no claim': {
    by: 'once, a marker that comes when another one runs',
    change: [
      ['src/backends/etcd3/markers.ts', 'compare: [isStill(claimed, mine), isAbsent(key)]', 'compare: [isAbsent(key)]'],
    ],
  },
  'a holder that does not ask again whether it is done': {
    by: 'once, in a fleet whose links are cut',
    change: [
      ['src/engine/features/turn.ts', 'if (marker) this.#done(marker);\n          else if', 'if'],
      ['src/engine/features/turn.ts', 'if (marker) this.#done(marker);', ''],
    ],
  },
};
