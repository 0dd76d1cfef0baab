import assert from 'node:assert/strict';
import { bill } from '../../../examples/recipes/exactly-once.mjs';
import { onEtcd } from './stage.mjs';

await onEtcd(async ({ locks, backend, client }) => {
  const charges = new Map();
  const charge = async ({ idempotencyKey }) => void charges.set(idempotencyKey, (charges.get(idempotencyKey) ?? 0) + 1);
  const fleet = [locks({ owner: 'a' }, backend), locks({ owner: 'b' }), locks({ owner: 'c' })];
  const billed = await Promise.all(
    fleet.flatMap((one) => [17, 18].map((id) => bill(one, backend, client, id, charge))),
  );
  assert.deepEqual(billed.sort(), ['billed', 'billed', ...Array(4).fill('was billed before')]);
  assert.deepEqual([...charges.values()], [1, 1]);

  // Whoever lost its claim on the way marks nothing.
  const late = bill(fleet[1], backend, client, 19, () => client.delete().prefix('invoices/19/'));
  await assert.rejects(late, ({ code, message }) => code === 'LOCK_LOST' || /was lost/.test(message));
  assert.equal(await client.get('billed/19'), null);
});
