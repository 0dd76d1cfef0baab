/**
 * What the recipes are tried on: a real etcd, and several `Locks` as so many processes of a fleet.
 */
import { Etcd3 } from 'etcd3';
import { createLocks } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';

const hosts = process.env['ETCD'];
if (hosts === undefined) throw new Error('ETCD is not set: give the address of an etcd v3.');

/** @param {(stage: { locks: (options?: object) => any, backend: any, client: Etcd3, hosts: string }) => Promise<void>} play */
export async function onEtcd(play) {
  const client = new Etcd3({ hosts });
  const backend = etcd3Backend({ hosts });
  const made = [];
  const locks = (options, on = etcd3Backend({ hosts })) => {
    const one = createLocks(on, { ttl: 2_000, ...options });
    made.push(one);
    return one;
  };
  try {
    await play({ locks, backend, client, hosts });
  } finally {
    await Promise.all(made.map((one) => one.close()));
    client.close();
  }
}
