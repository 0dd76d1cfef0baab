/**
 * Exactly once: the lock lets one at a time look whether the work is done, and the guard has the server refuse the mark
 * of one that lost the lock in between. What happens outside of etcd needs a key of its own to tell a repetition by.
 */
export async function bill(locks, backend, client, invoice, charge) {
  const done = `billed/${invoice}`;
  return locks.mutex(`invoices/${invoice}`).use(async (held) => {
    const guard = await backend.guard(held); // before reading what the work depends on
    if ((await client.get(done)) !== null) return 'was billed before';
    // A process may die after the charge and before the mark. Then the next one charges again with the same key, which
    // the other side must take for the same charge.
    await charge({ idempotencyKey: `invoice-${invoice}`, signal: held.signal });
    const { succeeded } = await client
      .if(...guard)
      .then(client.put(done).value(held.owner))
      .commit();
    if (!succeeded) throw new Error(`the lock of ${invoice} was lost: somebody else looks after it now`);
    return 'billed';
  });
}
