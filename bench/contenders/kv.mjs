/**
 * The raw `kv` of the client that a user has anyway, with its own policy: what the two transactions cost without us.
 */
import { Etcd3 } from 'etcd3';
import { cycleOver } from './transactions.mjs';

export async function rawKv(url) {
  const client = new Etcd3({ hosts: url });
  const { ID: lease } = await client.leaseClient.leaseGrant({ TTL: 3600 });
  return {
    name: 'raw kv',
    client,
    lease,
    cycle: cycleOver((txn) => client.kv.txn(txn), lease),
    async close() {
      await client.leaseClient.leaseRevoke({ ID: lease });
      client.close();
    },
  };
}
