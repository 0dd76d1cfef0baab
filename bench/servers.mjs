/**
 * The servers of the peers: each contender has one to itself, so that none pays for another's load.
 */
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);
const { startEtcd } = load('../scripts/etcd.cjs');
const { startRedis } = load('../scripts/redis.cjs');

const START = {
  etcd: () => startEtcd(),
  redis: () => startRedis(),
  'redis-always': () => startRedis({ durable: true }),
  none: async () => ({ url: '', stop: async () => undefined }),
};

/**
 * Starts what each of them needs. One whose server cannot be had is absent, with the reason.
 *
 * @param {Readonly<Record<string, { server: string }>>} peers
 * @returns {Promise<{ urls: Record<string, string>, absent: Record<string, string>, stop: () => Promise<void> }>}
 */
export async function serversFor(peers) {
  const urls = {};
  const absent = {};
  const started = [];
  for (const [name, { server, isAbsent = () => undefined }] of Object.entries(peers)) {
    const reason = isAbsent();
    if (reason !== undefined) {
      absent[name] = reason;
      continue;
    }
    try {
      const one = await START[server]();
      started.push(one);
      urls[name] = one.url;
    } catch (error) {
      absent[name] = String(error.message).split('\n')[0];
    }
  }
  return {
    urls,
    absent,
    stop: async () => {
      await Promise.all(started.map((one) => one.stop()));
    },
  };
}
