/**
 * Whoever follows a queue sees the queue as it was, whenever it begins: each view is compared with the server's own log
 * of changes, while many clients write.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { ReplaySubject, filter, take, takeUntil, tap, toArray } from 'rxjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import type { Queue } from '../../src/index.js';
import { randomFrom } from '../../src/testing/random.js';
import { startEtcd } from '../../scripts/etcd.cjs';
import type { EtcdServer } from '../../scripts/etcd.cjs';
import { startProxy } from '../../scripts/etcd-proxy.cjs';
import { ETCDS } from '../support/etcds.js';
import { within } from '../support/waiting.js';

jest.setTimeout(60_000);

const KEYS = 8;
const IDS = 5;
const WRITERS = 4;
const WRITES = 250;
const FOLLOWERS = 20;
const WITHIN = 5000;

interface Change {
  readonly revision: bigint;
  readonly id: string;
  /** `undefined` if it was deleted. */
  readonly token: string | undefined;
}

const shown = ({ claims }: Queue): string => claims.map(({ id, token }) => `${id}:${String(token)}`).join(' ');

describe.each([
  ...ETCDS.map(({ server, suite }) => ({ server, suite, isProxied: false })),
  { server: 'etcd 3.5 behind a proxy', suite: undefined, isProxied: true },
])('$server', ({ suite, isProxied }) => {
  let etcd: EtcdServer;
  let url: string;
  let admin: Etcd3;
  const endings: (() => unknown)[] = [];

  beforeAll(async () => {
    etcd = await startEtcd(suite);
    endings.push(() => etcd.stop());
    url = etcd.url;
    if (isProxied) {
      const proxy = await startProxy([etcd.url], suite);
      endings.unshift(() => proxy.kill());
      ({ url } = proxy);
    }
    admin = new Etcd3({ hosts: etcd.url });
    endings.unshift(() => {
      admin.close();
    });
  });
  afterAll(async () => {
    for (const end of endings) await end();
  });

  /** All changes, from the server itself; how a queue was at a revision, once the log is that long. */
  const changes = async () => {
    const log = new Map<string, Change[]>();
    const reached$ = new ReplaySubject<bigint>(1);
    const watch = await admin.watch().prefix('views/').startRevision('1').create();
    const noted = (token: string | undefined, path: string, revision: string): void => {
      const [, name = '', id = ''] = path.split('/');
      log.set(name, [...(log.get(name) ?? []), { revision: BigInt(revision), id, token }]);
      reached$.next(BigInt(revision));
    };
    watch.on('put', ({ key, create_revision, mod_revision }) => {
      noted(create_revision, key.toString(), mod_revision);
    });
    watch.on('delete', ({ key, mod_revision }) => {
      noted(undefined, key.toString(), mod_revision);
    });
    endings.unshift(() => watch.cancel());
    const truth = (name: string, revision: bigint): string => {
      const there = new Map<string, bigint>();
      for (const { id, token, ...change } of log.get(name) ?? []) {
        if (change.revision > revision) break;
        if (token === undefined) there.delete(id);
        else there.set(id, BigInt(token));
      }
      const inOrder = [...there].sort(([, a], [, b]) => (a < b ? -1 : 1));
      return inOrder.map(([id, token]) => `${id}:${String(token)}`).join(' ');
    };
    return { truth, reached: (last: bigint) => within(WITHIN, reached$.pipe(filter((now) => now >= last))) };
  };

  it('shows no queue that never was, and whoever stays sees the last of it', async () => {
    const { truth, reached } = await changes();
    const backend = etcd3Backend({ hosts: url });
    endings.unshift(() => backend.close());
    const [random, known] = [randomFrom(7), new Map<string, Queue>()];
    const anyName = (): string => `n${String(Math.floor(random() * KEYS))}`;
    const followed = (name: string) =>
      backend
        .queue(`views/${name}`, WITHIN, random() < 0.5 ? known.get(name) : undefined)
        .pipe(tap((queue) => known.set(name, queue)));

    const written$ = new ReplaySubject<void>(1);
    let isWritten = false;
    const writers = Array.from({ length: WRITERS }, async () => {
      for (let n = 0; n < WRITES; n += 1) {
        const path = `views/${anyName()}/${String(Math.floor(random() * IDS))}`;
        await (random() < 0.55 ? admin.put(path).value('') : admin.delete().key(path)).exec();
      }
    });
    const seen: (readonly [name: string, queue: Queue])[] = [];
    const followers = Array.from({ length: FOLLOWERS }, async () => {
      while (!isWritten) {
        const name = anyName();
        const some$ = followed(name).pipe(take(1 + Math.floor(random() * 3)), takeUntil(written$));
        const queues = await within(WITHIN, some$.pipe(toArray()));
        seen.push(...queues.map((queue) => [name, queue] as const));
      }
    });
    // They begin while it is written to, and stay.
    const stayed = Array.from({ length: 2 * KEYS }, (_, i) => {
      const [name, last$] = [`n${String(i % KEYS)}`, new ReplaySubject<Queue>(1)];
      const following = followed(name).subscribe(last$);
      endings.unshift(() => {
        following.unsubscribe();
      });
      return { name, last$ };
    });
    await Promise.all(writers);
    isWritten = true;
    written$.next();
    const ends = new Map<string, bigint>();
    for (let n = 0; n < KEYS; n += 1) {
      const name = `n${String(n)}`;
      const { header } = await admin.put(`views/${name}/end`).value('');
      ends.set(name, BigInt(header.revision));
    }
    await Promise.all(followers);
    const lasts = stayed.map(async ({ name, last$ }) => {
      const end = ends.get(name) ?? 0n;
      return [name, await within(WITHIN, last$.pipe(filter(({ revision }) => revision >= end)))] as const;
    });
    seen.push(...(await Promise.all(lasts)));
    for (const end of ends.values()) await reached(end);

    expect(seen.length).toBeGreaterThan(100);
    expect(seen.map(([name, queue]) => [name, queue.revision, shown(queue)])).toEqual(
      seen.map(([name, { revision }]) => [name, revision, truth(name, revision)]),
    );
  });
});
