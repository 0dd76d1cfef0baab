/**
 * The contract on an etcd in memory, in no time.
 */
import { describe, expect, it } from '@jest/globals';
import { lastValueFrom, timer } from 'rxjs';
import { contract } from '../../src/contract/index.js';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { sleepProofClock } from '../../src/time/clock.js';
import { wayTo } from './double/client.js';
import { EtcdDouble } from './double/etcd-double.js';
import { fast } from './fast-time.js';

/** The server of the rule that is tried. */
let etcd: EtcdDouble;

const holderOf = (key: string): Buffer => {
  const range = { key: Buffer.from(`${key}/`), range_end: Buffer.from(`${key}0`) };
  const [first] = etcd.range({ ...range, sort_target: 'Create', sort_order: 'Ascend', limit: 1 }).kvs;
  if (!first) throw new Error(`nobody holds ${key}`);
  return first.key;
};

const rules = contract({
  kind: 'queue',
  backend: () => etcd3Backend(wayTo(etcd).user),
  deleteHolder(key) {
    etcd.txn({ success: [{ request_delete_range: { key: holderOf(key) } }] });
    return Promise.resolve();
  },
  overwriteHolder(key) {
    etcd.txn({ success: [{ request_put: { key: holderOf(key), value: Buffer.from('mine now') } }] });
    return Promise.resolve();
  },
});

/** For who runs many specs at once on a slow machine: what hangs is found out sooner. */
const AT_MOST = 20_000;

/** Counts most of the time, and shows nothing that a proxy makes different. */
const isLong = ({ title }: { readonly title: string }): boolean => title.startsWith('a hundred cycles');

describe.each([
  { where: 'an etcd', givesOwnIds: false },
  { where: 'a proxy before it', givesOwnIds: true },
])('the contract on $where, in memory', ({ givesOwnIds }) => {
  it.each(rules.filter((rule) => !givesOwnIds || !isLong(rule)))(
    '$title',
    async ({ run }) => {
      await fast(async () => {
        etcd = new EtcdDouble();
        etcd.givesOwnIds = givesOwnIds;
        await expect(run()).resolves.toBeUndefined();
        etcd.stop();
      });
    },
    AT_MOST,
  );
});

it('in no time, a machine that is slow does not seem to have slept', async () => {
  await fast(async () => {
    const clock = sleepProofClock();
    const before = clock.now();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    await lastValueFrom(timer(100));
    expect(clock.now() - before).toBe(100);
  });
});
