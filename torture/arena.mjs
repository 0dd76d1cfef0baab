/**
 * Everything there is: three etcds whose members talk through doors, users with tokens that expire, an observer at each
 * member, and clients with doors of their own to each member.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Etcd3, Range } from 'etcd3';
import { createClients } from './clients.mjs';
import { now } from './clock.mjs';
import { Link, openDoor } from './links.mjs';
import { LOCKS, ROOT } from './names.mjs';
import { observe } from './observer.mjs';
import { transparent } from './policy.mjs';
import { SETUPS } from './setups.mjs';

const { startCluster } = createRequire(import.meta.url)('../scripts/etcd-cluster.cjs');

const ADMIN = { username: 'root', password: 'an-admin' };
const LOCKER = { username: 'locker', password: 'a-locker' };

const FLAGS = {
  // Unused for so long, a token is forgotten: a client that moves to another member finds that out.
  'auth-token-ttl': 3,
  // The cheapest there is: it is not bcrypt that is to be tested here.
  'bcrypt-cost': 4,
  'log-level': 'info',
};

/** Within this a request of the harness is answered, or has failed. */
const ASKED_WITHIN = 3000;

/**
 * @param {object} given
 * @param {string} given.folder
 * @param {string} given.contender
 * @param {number} given.ttl
 * @param {string} given.seed
 * @param {number} given.clients
 * @param {number} given.workers of each client
 * @param {string} given.setup what stands around the cluster
 * @param {string} [given.engine] the folder of the build of rxlock that is to be tried, if not of this one
 * @param {(type: string, fields?: object) => void} given.record
 */
export async function openArena({
  folder,
  contender,
  engine,
  ttl,
  seed,
  clients: count,
  workers,
  setup: name,
  record,
}) {
  const setup = SETUPS[name];
  const closing = [];
  const close = async () => {
    for (const each of closing.splice(0).reverse()) await each();
  };
  try {
    const peers = createPeers();
    closing.push(() => peers.close());
    const cluster = await startCluster(undefined, 3, {
      flags: { ...FLAGS, ...setup.flags?.(folder) },
      peerDoor: peers.door,
    });
    closing.push(() => cluster.stop());
    await cluster.leader();
    await enableUsers(cluster.urls);
    await peers.learnNames(cluster.members);

    const observer = observe(cluster.urls, () => authOf(ADMIN));
    closing.push(() => observer.stop());

    const slots = Array.from({ length: count }, (_, i) => `c${i + 1}`);
    const { fronts, close: closeFronts } = (await setup.fronts?.(cluster.members)) ?? { fronts: cluster.members };
    closing.push(() => closeFronts?.());
    const doors = await openClientDoors(slots, fronts);
    closing.push(() => doors.close());
    const clients = createClients({
      folder,
      slots,
      record,
      setup: (slot) => ({
        hosts: doors.hosts(slot),
        auth: authOf(LOCKER),
        ttl,
        seed: `${seed}/${slot}`,
        contender,
        engine,
        workers,
        ...setup.clients,
      }),
    });
    closing.push(() => clients.killAll());

    const sampling = setInterval(() => void sample(), setup.sampleEvery ?? 2 ** 31 - 1);
    closing.push(() => clearInterval(sampling));
    let isTended = false;
    const sample = async () => {
      const sizes = await Promise.all(cluster.members.map(sizeOf));
      record('size', { sizes: sizes.filter((size) => size !== undefined), quota: setup.quota });
      if (isTended) await tended(sizes).catch(notNow);
    };
    // The observer has one at each, and what stands around may have its own.
    const ownWatchers = await untilSteady(async () => sumOf(await Promise.all(cluster.members.map(watchersOf))));
    const ask = (member, question) => asked(member, question);
    const tended = async (sizes) => {
      const { alarms } = await ask(await cluster.leader(), (client, within) =>
        client.maintenance.alarm({ action: 'Get', memberID: 0, alarm: 'None' }, within()),
      );
      if (alarms.length > 0 || Math.max(...sizes) > setup.quota / 2) await makeRoom();
    };
    /** What an operator does who finds the stores full. */
    const makeRoom = async () => {
      const leader = await cluster.leader();
      await ask(leader, async (client, within) => {
        const { header } = await client.maintenance.status();
        // Where nothing was written since the last time, there is nothing to compact.
        await client.kv.compact({ revision: header.revision, physical: true }, within()).catch(unlessCompacted);
      });
      for (const member of cluster.members) await ask(member, (client) => client.maintenance.defragment());
      const alarm = { action: 'Deactivate', memberID: 0, alarm: 'Nospace' };
      await ask(leader, (client, within) => client.maintenance.alarm(alarm, within()));
    };

    return {
      ttl,
      setup,
      slots,
      fronts,
      members: cluster.members,
      leader: cluster.leader,
      clients,
      observer,
      /** Between two members. */
      peerLinks: peers.between,
      /** Between a client and a member. */
      clientLink: doors.link,
      /** Everything is as it should be again, whatever became of the faults. */
      async heal() {
        peers.heal();
        doors.heal();
        for (const client of clients.running()) if (client.isFrozen) clients.thaw(client);
        for (const front of fronts) front.signal?.('SIGCONT');
        // From now on an operator keeps the stores from being full.
        isTended = setup.quota !== undefined;
        for (const member of cluster.members) {
          member.signal('SIGCONT');
          if (await serves(member)) continue;
          await member.kill();
          await member.start();
        }
        await cluster.leader();
      },
      /** What is in etcd of locks, and for them. */
      async inventory() {
        const [member] = cluster.members;
        const { kvs, leases } = await asked(member, async (client, within) => ({
          ...(await client.kv.range({ ...RANGE_OF_LOCKS, keys_only: true }, within())),
          ...(await client.leaseClient.leaseLeases(within())),
        }));
        const watchers = await Promise.all(cluster.members.map(watchersOf));
        return {
          claims: kvs.map(({ key }) => key.toString()).filter((key) => !key.includes('\0')),
          leases: leases.length,
          watchers: Math.max(0, sumOf(watchers) - ownWatchers),
        };
      },
      /** Something asked of one member, as root. */
      ask,
      /** A snapshot as it is now. */
      async save() {
        const file = join(folder, 'snapshot');
        rmSync(file, { force: true });
        return { file, revision: await cluster.save(file, `${ADMIN.username}:${ADMIN.password}`) };
      },
      async restore({ file, revision }) {
        let from;
        await cluster.restore(file, () => {
          from = now();
          observer.restored(revision);
        });
        await cluster.leader();
        await peers.learnNames(cluster.members);
        record('restored', { from, revision });
      },
      /** From the other members only. */
      cutOff(member) {
        const links = cluster.members
          .filter((other) => other !== member)
          .flatMap((other) => peers.between(member.name, other.name));
        for (const link of links) link.set({ held: 'all' });
        return {
          target: member.name,
          heal: () => {
            for (const link of links) link.set({});
          },
        };
      },
      makeRoom,
      renewTokens: () => asked(cluster.members[0], (client) => changePassword(client)),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const { start: FROM_LOCKS, end: TO_LOCKS } = Range.prefix(LOCKS);
const RANGE_OF_LOCKS = { key: FROM_LOCKS, range_end: TO_LOCKS };

async function serves({ url }) {
  try {
    return (await fetch(`${url}/health`, { signal: AbortSignal.timeout(ASKED_WITHIN) })).ok;
  } catch {
    return false;
  }
}

/** Said, and tried again at the next look. */
const notNow = (error) => console.error(`no room could be made: ${error.message}`);

const unlessCompacted = (error) => {
  if (!error.message.includes('has been compacted')) throw error;
};

/** Bytes of the store of a member; nothing of one that does not answer. */
async function sizeOf({ url }) {
  try {
    const metrics = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(ASKED_WITHIN) })).text();
    return Number(/^etcd_mvcc_db_total_size_in_bytes (\S+)$/m.exec(metrics)?.[1]);
  } catch {
    return undefined; // killed, or frozen
  }
}

/** What is started just now opens its watches a moment later. */
async function untilSteady(count) {
  let before;
  for (let after = await count(); ; after = await count()) {
    if (after === before) return after;
    before = after;
    await pause(300);
  }
}

const sumOf = (list) => list.reduce((sum, each) => sum + each, 0);

async function watchersOf({ url }) {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^etcd_debugging_mvcc_watcher_total (\S+)$/m.exec(metrics)?.[1]);
}

const authOf = (user) => ({ ...user, callOptions: () => ({ deadline: Date.now() + ASKED_WITHIN }) });

async function asked(member, question) {
  const client = new Etcd3({ hosts: member.url, auth: authOf(ADMIN), faultHandling: transparent });
  try {
    return await question(client, () => ({ deadline: Date.now() + ASKED_WITHIN }));
  } finally {
    client.close();
  }
}

async function enableUsers(urls) {
  const admin = new Etcd3({ hosts: [...urls], faultHandling: transparent });
  try {
    await admin.role('root').create();
    await admin.user(ADMIN.username).create(ADMIN.password);
    await admin.user(ADMIN.username).addRole('root');
    await admin.role('locks').create();
    await admin.role('locks').grant({ permission: 'Readwrite', range: Range.prefix(ROOT) });
    await admin.user(LOCKER.username).create(LOCKER.password);
    await admin.user(LOCKER.username).addRole('locks');
    await admin.auth.authEnable();
  } finally {
    admin.close();
  }
}

/** Ends the tokens of the user at once, though the password is what it was. */
const changePassword = (client) => client.user(LOCKER.username).setPassword(LOCKER.password);

/** Who a peer is, it says in the head of its first request. */
const SERVER_FROM = /^X-Server-From: ([0-9a-f]+)\r$/im;
const END_OF_HEAD = '\r\n\r\n';

function createPeers() {
  const doors = [];
  const names = new Map();
  /** For each dialer (by its id) and server (by its name). */
  const links = new Map();
  const unknown = new Link();
  const linkOf = (id, server) => {
    const key = `${id}>${server}`;
    if (!links.has(key)) links.set(key, { id, server, link: new Link() });
    return links.get(key).link;
  };
  return {
    async door(name, port) {
      const door = await openDoor({
        port,
        name,
        linkOf: (head) => {
          const [, id] = SERVER_FROM.exec(head) ?? [];
          if (id !== undefined) return { link: linkOf(id, name), from: id };
          return head.includes(END_OF_HEAD) ? { link: unknown, from: 'unknown' } : undefined;
        },
      });
      doors.push(door);
      return door.port;
    },
    async learnNames(members) {
      for (const { url, name } of members) {
        const answer = await fetch(`${url}/v3/maintenance/status`, { method: 'POST', body: '{}' });
        const { header } = await answer.json();
        names.set(BigInt(header.member_id).toString(16), name);
      }
    },
    between: (a, b) =>
      [...links.values()]
        .filter(({ id, server }) => (names.get(id) === a && server === b) || (names.get(id) === b && server === a))
        .map(({ link }) => link),
    heal() {
      for (const { link } of links.values()) link.set({});
    },
    close() {
      for (const door of doors) door.close();
    },
  };
}

async function openClientDoors(slots, members) {
  const opened = [];
  const links = new Map();
  for (const slot of slots) {
    for (const { name, url } of members) {
      const link = new Link();
      const door = await openDoor({
        port: Number(new URL(url).port),
        name: 'server',
        linkOf: () => ({ link, from: 'client' }),
      });
      links.set(`${slot}>${name}`, { link, door });
      opened.push(door);
    }
  }
  return {
    hosts: (slot) => members.map(({ name }) => `http://127.0.0.1:${links.get(`${slot}>${name}`).door.port}`),
    link: (slot, member) => links.get(`${slot}>${member}`).link,
    heal() {
      for (const { link } of links.values()) link.set({});
    },
    close() {
      for (const door of opened) door.close();
    },
  };
}
