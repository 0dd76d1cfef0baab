/**
 * The two transactions that a lock on etcd cannot do without, as the raw contenders send them: queue and look, leave.
 * The layout is that of Go's Mutex, and of rxlock.
 */
const VALUE = Buffer.from(JSON.stringify({ owner: 'bench:1', kind: 'mutex', since: '2026-01-01T00:00:00.000Z' }));
const LIMIT = 16;

/** Puts the claim unless it is there, and reads the oldest of its queue. */
export function queueing(name, lease) {
  const key = Buffer.from(`${name}/${BigInt(lease).toString(16)}`);
  const look = {
    request_range: {
      key: Buffer.from(`${name}/`),
      range_end: Buffer.from(`${name}0`),
      sort_target: 'Create',
      sort_order: 'Ascend',
      limit: LIMIT,
    },
  };
  return {
    key,
    txn: {
      compare: [{ key, target: 'Create', result: 'Equal', create_revision: '0' }],
      success: [{ request_put: { key, value: VALUE, lease } }, look],
      failure: [look],
    },
  };
}

/** Deletes the claim if it is still the one that was put. */
export const leaving = (key, revision) => ({
  compare: [{ key, target: 'Create', result: 'Equal', create_revision: revision }],
  success: [{ request_delete_range: { key } }],
});

/**
 * One acquire and release of a lock that nobody else wants.
 *
 * @param {(txn: object) => Promise<{ header: { revision: string }, succeeded: boolean }>} send
 */
export const cycleOver = (send, lease) => async (name) => {
  const { key, txn } = queueing(name, lease);
  const { header, succeeded } = await send(txn);
  const left = await send(leaving(key, header.revision));
  if (!succeeded || !left.succeeded) throw new Error(`"${name}" was not free: nothing is measured.`);
};
