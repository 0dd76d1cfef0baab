/**
 * Exactly once: under the lock, one process at a time checks whether the work is done. If it loses the lock meanwhile,
 * the guard makes the server refuse its mark. Effects outside of etcd need an idempotency key that shows a repetition.
 */
export async function bill(locks, backend, client, invoice, charge) {
  const done = `billed/${invoice}`;
  return locks.mutex(`invoices/${invoice}`).use(async (held) => {
    const guard = await backend.guard(held); // before reading what the work depends on
    if ((await client.get(done)) !== null) return 'was billed before';
    // A process may die after the charge and before the mark. Then the next one charges again with the same key: the
    // payment service must treat that as the same charge.
    await charge({ idempotencyKey: `invoice-${invoice}`, signal: held.signal });
    const { succeeded } = await client
      .if(...guard)
      .then(client.put(done).value(held.owner))
      .commit();
    if (!succeeded) throw new Error(`the lock of ${invoice} was lost: another process bills it now`);
    return 'billed';
  });
}
