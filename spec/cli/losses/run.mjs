/**
 * Many losses, for rxlock and for etcdctl, on a real etcd: prints a table, fails if a command of rxlock overlapped.
 *
 *   npm run cli:losses -- --count 200 --ways freeze,cut --kinds rxlock,etcdctl
 */
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { WAYS, losses } from './losses.mjs';

const { startEtcd } = createRequire(import.meta.url)('../../../scripts/etcd.cjs');
const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '200' },
    side: { type: 'string', default: '4' },
    ttl: { type: 'string', default: '3000' },
    ways: { type: 'string', default: WAYS.join() },
    kinds: { type: 'string', default: 'rxlock,etcdctl' },
  },
});

let failed = false;
for (const kind of values.kinds.split(',')) {
  for (const way of values.ways.split(',')) {
    const etcd = await startEtcd(undefined, { 'unsafe-no-fsync': true });
    try {
      const figures = await losses({
        etcd,
        kind,
        way,
        count: Number(values.count),
        side: Number(values.side),
        ttl: Number(values.ttl),
        say: ({ losses, overlaps }) => process.stderr.write(`${kind} ${way}: ${losses} losses, ${overlaps} overlaps\n`),
      });
      const gaps = figures.gaps.sort((a, b) => a - b);
      const at = (share) => Math.round(gaps[Math.min(gaps.length - 1, Math.floor(share * gaps.length))] ?? NaN);
      const codes = Object.entries(figures.codes).map(([code, times]) => `${code}: ${times}`);
      console.log(
        `${kind}, ${way}: ${figures.losses} losses, ${figures.overlaps} overlaps, ${figures.stuck} without a next one; ` +
          `ms from the last sign of life to the next start: least ${at(0)}, median ${at(0.5)}; how the loser ended: ${codes.join(', ')}`,
      );
      failed ||= kind === 'rxlock' && figures.overlaps > 0;
    } finally {
      await etcd.stop();
    }
  }
}
if (failed) process.exitCode = 1;
