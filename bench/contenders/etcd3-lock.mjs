/**
 * The `Lock` of npm etcd3: a lease of its own for each lock, and no queue, since who finds it taken is refused.
 */
import { Etcd3 } from 'etcd3';

export function etcd3Lock(url) {
  const client = new Etcd3({ hosts: url });
  return {
    name: 'etcd3 Lock',
    client,
    async cycle(key) {
      const lock = client.lock(key);
      await lock.acquire();
      await lock.release();
    },
    close: async () => client.close(),
  };
}
