/**
 * What stands around the cluster: the parts that operators put there, and that clients do not see. Each is a table row
 * with what it changes and the faults that only it can have.
 */
import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openBalancer } from './balancer.mjs';
import { now } from './clock.mjs';
import { ROOT } from './names.mjs';
import { pickAt } from './random.mjs';

const { startProxy } = createRequire(import.meta.url)('../scripts/etcd-proxy.cjs');

/** What clients dial, instead of the members. @typedef {{ name: string, url: string }} Front */

/**
 * @typedef {object} Setup
 * @property {string} what
 * @property {(folder: string) => object} [flags] of each member
 * @property {(members: readonly { name: string, url: string }[]) => Promise<{ fronts: (Front & Record<string, any>)[], close: () => unknown }>} [fronts]
 * @property {object} [clients] what each of them is told besides
 * @property {number} [sampleEvery] milliseconds between two looks at the size of the stores
 * @property {number} [quota] bytes that a store may have
 * @property {Readonly<Record<'server' | 'client', Readonly<Record<string, import('./faults.mjs').Fault>>>>} [faults]
 * @property {number} [often] how many cards of each of them are in a deck
 * @property {readonly string[]} [without] faults that it cannot have
 */

const at = (from, to) => () => /** @type {const} */ ([from, to]);
const instant = at(0, 0);

/** Of a database that is full within some seconds. */
const QUOTA = 8 * 2 ** 20;

/** Made, so that each claim takes its share of it. */
const LARGE = 48 * 2 ** 10;

const proxied = (count) => async (members) => {
  const endpoints = members.map(({ url }) => url);
  const proxies = await Promise.all(Array.from({ length: count }, () => startProxy(endpoints)));
  return {
    fronts: proxies.map((proxy, i) => ({ ...proxy, name: `p${i + 1}` })),
    close: () => Promise.all(proxies.map((proxy) => proxy.kill())),
  };
};

/** One of several: the others go on. */
const PROXY_FAULTS = {
  'kill proxy': {
    proves: 'what was merged there comes back one by one',
    lasts: at(500, 3000),
    inject: async (arena, [a]) => {
      const proxy = pickAt(arena.fronts, a);
      await proxy.kill();
      return { target: proxy.name, heal: () => proxy.start() };
    },
  },
  'freeze proxy': {
    proves: '#1, behind a proxy',
    lasts: at(1000, 6000),
    inject: async (arena, [a]) => {
      const proxy = pickAt(arena.fronts, a);
      proxy.signal('SIGSTOP');
      return { target: proxy.name, heal: () => proxy.signal('SIGCONT') };
    },
  },
};

/** @type {Readonly<Record<string, Setup>>} */
export const SETUPS = {
  plain: { what: 'clients know all members' },

  proxy: {
    what: 'all clients go through one etcd grpc-proxy',
    fronts: proxied(1),
    faults: { client: { 'kill proxy': { ...PROXY_FAULTS['kill proxy'], lasts: instant } }, server: {} },
    often: 3,
  },

  proxies: {
    what: 'clients know two etcd grpc-proxies',
    fronts: proxied(2),
    faults: { client: PROXY_FAULTS, server: {} },
    often: 3,
  },

  jwt: {
    what: 'tokens are JWT, roles and users change while it runs',
    flags: (folder) => {
      const { publicKey, privateKey } = generateKeyPairSync('rsa', {
        modulusLength: 2048,
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      });
      const [pub, priv] = [join(folder, 'jwt.pub'), join(folder, 'jwt.key')];
      writeFileSync(pub, publicKey);
      writeFileSync(priv, privateKey);
      return { 'auth-token': `jwt,pub-key=${pub},priv-key=${priv},sign-method=RS256,ttl=10m` };
    },
    faults: {
      server: {},
      client: {
        'change users': {
          proves: 'each change makes a new revision of the auth store, by which all tokens are old',
          lasts: at(500, 2000),
          inject: async (arena, [a]) => {
            const name = `passing-${Math.floor(a * 1e9)}`;
            await arena.ask(await arena.leader(), (etcd) => etcd.user(name).create('a-secret'));
            return {
              target: name,
              heal: async () => arena.ask(await arena.leader(), (etcd) => etcd.user(name).delete()),
            };
          },
        },
        'change roles': {
          proves: 'the same, with the role that the clients have',
          lasts: at(500, 2000),
          inject: async (arena) => {
            const permission = { permission: 'Read', key: Buffer.from('elsewhere/') };
            await arena.ask(await arena.leader(), (etcd) => etcd.role('locks').grant(permission));
            return {
              target: 'locks',
              heal: async () => arena.ask(await arena.leader(), (etcd) => etcd.role('locks').revoke(permission)),
            };
          },
        },
        'take the role away': {
          proves: 'a role that is missing for a moment, as while roles are set anew, is no end',
          lasts: at(100, 1000),
          inject: async (arena) => {
            await arena.ask(await arena.leader(), (etcd) => etcd.user('locker').removeRole('locks'));
            return {
              target: 'locker',
              heal: async () => arena.ask(await arena.leader(), (etcd) => etcd.user('locker').addRole('locks')),
            };
          },
        },
      },
    },
    often: 3,
  },

  balancer: {
    what: 'clients know one address, behind which connections are shared out',
    fronts: async (members) => {
      const balancer = await openBalancer(members);
      return { fronts: [{ ...balancer, name: 'b1' }], close: balancer.close };
    },
    faults: {
      server: {},
      client: {
        'shift streams': {
          proves: 'what began at one member goes on at another',
          lasts: instant,
          inject: async (arena, [a, b]) => {
            const [balancer] = arena.fronts;
            const from = pickAt(arena.members, a).name;
            balancer.shift(b < 0.5 ? undefined : from);
            return { target: b < 0.5 ? 'all' : `those of ${from}` };
          },
        },
        'drain a member': {
          proves: 'a member that is taken out while it serves',
          lasts: at(1000, 5000),
          inject: async (arena, [a]) => {
            const [balancer] = arena.fronts;
            const { name } = pickAt(arena.members, a);
            balancer.drain(name);
            return { target: name, heal: () => balancer.fill(name) };
          },
        },
      },
    },
    often: 3,
  },

  restore: {
    what: 'the cluster is restored from a snapshot that is some seconds old',
    faults: {
      client: {},
      server: {
        restore: {
          proves: 'whatever was locked since is free there, and given to others',
          lasts: at(1000, 4000),
          inject: async (arena) => {
            const snapshot = await arena.save();
            return {
              target: `to revision ${snapshot.revision}`,
              heal: () => arena.restore(snapshot),
            };
          },
        },
      },
    },
    often: 2,
  },

  quota: {
    what: 'the stores have a quota that the claims themselves fill',
    flags: () => ({ 'quota-backend-bytes': QUOTA }),
    clients: { metaBytes: LARGE },
    quota: QUOTA,
    sampleEvery: 1000,
    faults: {
      client: {},
      server: {
        'make room': {
          proves: '#55: what an operator does about it, when there is an alarm',
          lasts: instant,
          inject: async (arena) => {
            await untilAlarmed(arena, FILLED_WITHIN);
            await pause(STAYS_FULL);
            await arena.makeRoom();
            return { target: 'm1 m2 m3', heal: undefined };
          },
        },
      },
    },
    often: 4,
    without: ['no space', 'compact', 'defragment'],
  },

  split: {
    what: 'one member is cut off from the others for long, and clients reach it still',
    faults: {
      client: {},
      server: {
        'cut off a member': {
          proves: '#41: it answers as if all were well, and hears of nothing',
          lasts: (ttl) => [3 * ttl, 4 * ttl],
          inject: async (arena, [a]) => {
            const leader = await arena.leader();
            return arena.cutOff(
              pickAt(
                arena.members.filter((member) => member !== leader),
                a,
              ),
            );
          },
        },
        'cut off the leader': {
          proves: '#11, #41: the same, and another one is elected',
          lasts: (ttl) => [3 * ttl, 4 * ttl],
          inject: async (arena) => arena.cutOff(await arena.leader()),
        },
      },
    },
    often: 4,
  },
};

/** So long it may take until the stores are full; then room is made all the same. */
const FILLED_WITHIN = 15_000;

const STAYS_FULL = 2500;

async function untilAlarmed(arena, within) {
  const giveUpAt = now() + within;
  while (now() < giveUpAt) {
    const { alarms } = await arena.ask(await arena.leader(), (etcd) =>
      etcd.maintenance.alarm({ action: 'Get', memberID: 0, alarm: 'None' }),
    );
    if (alarms.length > 0) return;
    await pause(250);
  }
}

/** A text of the asked size for each claim. */
export const metaOf = (bytes) => (bytes === undefined ? undefined : { of: ROOT, filling: 'x'.repeat(bytes) });
