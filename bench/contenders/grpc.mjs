/**
 * Bare grpc-js with etcd's proto, which npm etcd3 ships: no client library in between, a request for each transaction.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { cycleOver } from './transactions.mjs';

const PROTO = join(dirname(createRequire(import.meta.url).resolve('etcd3/package.json')), 'proto/rpc.proto');

/** As npm etcd3 reads it, so that the messages cost the same. */
const AS_ETCD3 = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

export async function bareGrpc(url) {
  const { KV, Lease } = loadPackageDefinition(loadSync(PROTO, AS_ETCD3)).etcdserverpb;
  const address = url.replace(/^https?:\/\//, '');
  const kv = new KV(address, credentials.createInsecure());
  const leases = new Lease(address, credentials.createInsecure());
  const asked = (client, method, request) =>
    new Promise((resolve, reject) => {
      client[method](request, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  const { ID: lease } = await asked(leases, 'leaseGrant', { TTL: 3600 });
  return {
    name: 'bare grpc-js',
    lease,
    send: (txn) => asked(kv, 'txn', txn),
    cycle: cycleOver((txn) => asked(kv, 'txn', txn), lease),
    async close() {
      await asked(leases, 'leaseRevoke', { ID: lease });
      kv.close();
      leases.close();
    },
  };
}
