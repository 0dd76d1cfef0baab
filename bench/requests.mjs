/**
 * How many requests a server has received so far from a contender, by its own count.
 */
import Redis from 'ioredis';
import { requestsSoFar } from './metrics.mjs';

/** @param {{ server: string, commands?: readonly string[] }} peer */
export async function requestsOf({ server, commands = [] }, url) {
  if (server === 'none') return 0;
  if (server === 'etcd') return requestsSoFar(url);
  const redis = new Redis(url);
  const stats = await redis.info('commandstats');
  redis.disconnect();
  return [...stats.matchAll(/^cmdstat_(\w+):calls=(\d+)/gm)]
    .filter(([, command]) => commands.includes(command))
    .reduce((sum, [, , calls]) => sum + Number(calls), 0);
}
