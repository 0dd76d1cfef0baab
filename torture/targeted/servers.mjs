/**
 * Servers that were restored, are full, or have new roles.
 */
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { PENDING, TTL, until, within } from './stage.mjs';

async function saved({ binary, url }, folder) {
  const file = join(folder, 'snapshot');
  const env = { ...process.env, ETCDCTL_API: '3' };
  await promisify(execFile)(join(dirname(binary), 'etcdctl'), ['--endpoints', url, 'snapshot', 'save', file], { env });
  return file;
}

async function inFolder(run) {
  const folder = mkdtempSync(join(tmpdir(), 'rxlock-targeted-'));
  try {
    return await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Somebody holds what the backup does not know of; the next one gets it, and the first has to be told within a ttl. */
const restored = (clientOf) => (stage) =>
  inFolder(async (folder) => {
    const etcd = await stage.etcd();
    const key = `${stage.root}/a`;
    const first = stage.locks(await clientOf(stage, etcd.url));
    await (await first.mutex(`${stage.root}/warm`).acquire()).release();
    const file = await saved(etcd, folder);
    // What the restored server says is older than the claim, and says nothing about it.
    for (let i = 0; i < 20; i += 1) await (await first.mutex(`${stage.root}/${i}`).acquire()).release();
    const held = await first.mutex(key).acquire();
    await etcd.restore(file);
    const other = stage.locks(etcd.url);
    const next = await within(3 * TTL, other.mutex(key).acquire());
    if (next === PENDING || next instanceof Error) return undefined;
    await until(() => !held.isHeld(), TTL / 2);
    return held.isHeld() && next.isHeld() ? 'two held half a ttl after a restore from the backup' : undefined;
  });

/** The first answer to the grant is lost. */
const lossy = (stage, hosts) => {
  const client = stage.client({ hosts });
  const grant = client.leaseClient.leaseGrant.bind(client.leaseClient);
  let isFirst = true;
  client.leaseClient.leaseGrant = async (...given) => {
    const answer = await grant(...given);
    if (!isFirst) return answer;
    isFirst = false;
    throw new Error('14 UNAVAILABLE: the answer was lost');
  };
  return client;
};

const JWT_OF = (folder) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const [pub, priv] = [join(folder, 'jwt.pub'), join(folder, 'jwt.key')];
  writeFileSync(pub, publicKey);
  writeFileSync(priv, privateKey);
  return { 'auth-token': `jwt,pub-key=${pub},priv-key=${priv},sign-method=RS256,ttl=10m`, 'bcrypt-cost': 4 };
};

const QUOTA = 4 * 2 ** 20;

export const SERVERS = {
  'a server restored from its backup': restored((_, hosts) => hosts),

  'a server restored from its backup, and a grant whose answer was lost': restored(lossy),

  'new roles, and tokens that are JWT': (stage) =>
    inFolder(async (folder) => {
      const { url } = await stage.etcd(JWT_OF(folder));
      const root = { username: 'root', password: 'an-admin' };
      const open = stage.client({ hosts: url });
      await open.role('root').create();
      await open.user('root').create(root.password);
      await open.user('root').addRole('root');
      await open.auth.authEnable();
      // Its own token would be an old one after the change.
      const admin = () => stage.client({ hosts: url, auth: root });
      const backend = stage.etcd3Backend({ hosts: url, auth: root });
      const locks = stage.createLocks(backend, { ttl: TTL });
      const held = await locks.mutex(`${stage.root}/a`).acquire();
      await admin().user('somebody').create('a-secret');
      await within(1000, held.release());
      const isGone = await until(async () => (await stage.keysBelow(`${stage.root}/a`, admin())).length === 0, TTL / 2);
      const next = await within(TTL, locks.mutex(`${stage.root}/b`).acquire());
      await within(1000, locks.close());
      if (!isGone) return 'after a user was added, a release was not carried out';
      return next === PENDING || next instanceof Error
        ? `after a user was added, no lock was to be had: ${String(next.message)}`
        : undefined;
    }),

  'a quota that claims fill': async (stage) => {
    const { url } = await stage.etcd({ 'quota-backend-bytes': QUOTA });
    const locks = stage.locks(url);
    const client = stage.client({ hosts: url });
    const meta = 'x'.repeat(50_000);
    const size = async () => Number((await client.maintenance.status()).dbSize);
    let isRefused = false;
    for (let round = 0; round < 25 && !isRefused; round += 1) {
      const crowd = Array.from({ length: 16 }, (_, i) =>
        locks.mutex(`${stage.root}/${round}-${i}`).acquire({ meta, wait: TTL }),
      );
      const answers = await Promise.all(crowd.map((each) => within(TTL, each)));
      isRefused = answers.some((each) => each instanceof Error);
      await Promise.all(
        answers.map((each) => (each instanceof Error || each === PENDING ? undefined : within(1000, each.release()))),
      );
      if ((await size()) > 2 * QUOTA)
        return `a store with a quota of 4 MB has ${((await size()) / 2 ** 20).toFixed(1)} MB`;
    }
    return isRefused ? undefined : 'the quota was never reached';
  },

  'a claim that came in although the store is full': async (stage) => {
    const { url } = await stage.etcd({ 'quota-backend-bytes': QUOTA });
    const client = stage.client({ hosts: url });
    const meta = 'x'.repeat(60_000);
    // Each alone, so that their claims count; all at once, so that some are let in that are too much by then.
    const all = Array.from({ length: 16 }, () => stage.locks(url, { ttl: 10_000 }));
    await Promise.all(all.map((locks, i) => locks.mutex(`${stage.root}/warm/${i}`).acquire()));
    const refused = [];
    const giveUpAt = performance.now() + 10_000;
    await Promise.all(
      all.map(async (locks, i) => {
        for (let round = 0; refused.length < all.length && performance.now() < giveUpAt; round += 1) {
          const key = `${stage.root}/${i}-${round}`;
          const held = await within(TTL, locks.mutex(key).acquire({ meta, wait: TTL }));
          if (held instanceof Error) refused.push(key);
          else if (held !== PENDING) await within(1000, held.release());
        }
      }),
    );
    if (refused.length === 0) throw new Error('the store was never full');
    await pause(1000);
    const left = (await Promise.all(refused.map((key) => stage.keysBelow(key, client)))).flat();
    return left.length > 0 ? `${left.length} claims of ${refused.length} that were refused stayed` : undefined;
  },
};
