/**
 * The kinds of fault: what each does, to whom, and how it is undone. A lane is a deck of them; faults of one lane follow
 * one another, so that a majority of the servers is always left, and those of two lanes meet.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { now } from './clock.mjs';
import { LOCKS, OWNERS, lockOf } from './names.mjs';
import { pickAt } from './random.mjs';
import { SETUPS } from './setups.mjs';

/**
 * @typedef {object} Fault
 * @property {string} proves what this is here to show
 * @property {(ttl: number) => readonly [number, number]} lasts
 * @property {(arena: any, draw: readonly number[]) => Promise<{ target: string, heal?: () => Promise<unknown> | unknown }>} inject
 */

const at = (from, to) => () => /** @type {const} */ ([from, to]);
const instant = at(0, 0);

/** @type {Readonly<Record<string, Fault>>} */
const server = {
  'kill leader': { proves: '#9', lasts: at(2000, 5000), inject: async (arena) => killed(await arena.leader()) },
  'kill node': {
    proves: '#3, #34',
    lasts: at(1000, 5000),
    inject: async (arena, [a]) => killed(pickAt(arena.members, a)),
  },
  'restart all': {
    proves: '#3, #5, #47: no server at all for a while',
    lasts: at(500, 2000),
    inject: async ({ members }) => {
      await Promise.all(members.map((member) => member.kill()));
      return { target: 'm1 m2 m3', heal: () => Promise.all(members.map((member) => member.start())) };
    },
  },
  'rolling restart': {
    proves: '#34, #64: every stream is opened again',
    lasts: instant,
    inject: async ({ members, leader }) => {
      for (const member of members) {
        await member.kill();
        await member.start();
        await leader();
        await pause(1000);
      }
      return { target: 'm1 m2 m3' };
    },
  },
  'freeze leader': {
    proves: '#1, #10',
    lasts: at(1000, 7000),
    inject: async (arena) => frozen(await arena.leader()),
  },
  'freeze node': {
    proves: '#1, #8',
    lasts: at(1000, 7000),
    inject: async (arena, [a]) => frozen(pickAt(arena.members, a)),
  },
  'part leader': {
    proves: '#11, #41: a leader without followers',
    lasts: at(2000, 6000),
    inject: async (arena) => parted(arena, await arena.leader(), 'all'),
  },
  'part node': {
    proves: '#41',
    lasts: at(2000, 6000),
    inject: async (arena, [a]) => parted(arena, pickAt(arena.members, a), 'all'),
  },
  'slow node': {
    proves: '#57: the others wait for it',
    lasts: at(2000, 6000),
    inject: async (arena, [a, b]) =>
      slowed(peersOf(arena, pickAt(arena.members, a)), 20 + 80 * b, pickAt(arena.members, a).name),
  },
  'move leader': {
    proves: '#9',
    lasts: instant,
    inject: async (arena, [a]) => {
      const leader = await arena.leader();
      const next = pickAt(
        arena.members.filter((member) => member !== leader),
        a,
      );
      const targetID = await arena.ask(next, async (client) => (await client.maintenance.status()).header.member_id);
      await arena.ask(leader, (client, within) => client.maintenance.moveLeader({ targetID }, within()));
      return { target: `${leader.name} to ${next.name}` };
    },
  },
  compact: { proves: '#37', lasts: instant, inject: async (arena) => compacted(arena) },
  defragment: {
    proves: '#57: a member stands still',
    lasts: instant,
    inject: async (arena) => {
      await compacted(arena);
      for (const member of arena.members) await defragmented(arena, member);
      return { target: 'm1 m2 m3' };
    },
  },
  'no space': {
    proves: '#55',
    lasts: at(1500, 5000),
    inject: async (arena) => {
      const [member] = arena.members;
      await alarm(arena, member, 'Activate');
      return {
        target: 'the alarm',
        heal: async () => {
          await compacted(arena);
          for (const each of arena.members) await defragmented(arena, each);
          await alarm(arena, member, 'Deactivate');
        },
      };
    },
  },
  'forget tokens': {
    proves: '#63, #64, #65',
    lasts: instant,
    inject: async (arena) => {
      await arena.renewTokens();
      return { target: 'all clients' };
    },
  },
};

/** @type {Readonly<Record<string, Fault>>} */
const client = {
  'kill client': {
    proves: '#85',
    lasts: at(1000, 4000),
    inject: async (arena, [a]) => {
      const victim = holderOr(arena, a);
      await arena.clients.kill(victim);
      return { target: victim.name, heal: () => arena.clients.restart(victim.slot) };
    },
  },
  'freeze client': { proves: '#20', lasts: at(300, 2000), inject: async (arena, [a]) => asleep(arena, a) },
  'freeze client past ttl': {
    proves: '#21',
    lasts: (ttl) => [1.2 * ttl, 1.8 * ttl],
    inject: async (arena, [a]) => asleep(arena, a),
  },
  'part client': {
    proves: '#1, #2, #5, #16',
    lasts: (ttl) => [1.1 * ttl, 1.8 * ttl],
    inject: async (arena, [a]) => {
      const victim = holderOr(arena, a);
      return troubled(linksOf(arena, victim.slot), { held: 'all' }, victim.name);
    },
  },
  blip: {
    proves: '#6, #7: a reset and 300 ms of refusals',
    lasts: at(300, 300),
    inject: async (arena, [a]) => {
      const victim = holderOr(arena, a);
      return troubled(linksOf(arena, victim.slot), { cut: true }, victim.name);
    },
  },
  'part clients from a node': {
    proves: '#8, #54',
    lasts: at(1000, 6000),
    inject: async (arena, [a]) => {
      const { name } = pickAt(arena.fronts, a);
      return troubled(
        arena.slots.map((slot) => arena.clientLink(slot, name)),
        { held: 'all' },
        name,
      );
    },
  },
  'slow client': {
    proves: '#49',
    lasts: at(2000, 6000),
    inject: async (arena, [a, b]) => {
      const victim = holderOr(arena, a);
      return slowed(linksOf(arena, victim.slot), 20 + 180 * b, victim.name);
    },
  },
  'drop replies': {
    proves: '#26 to #30, #68: carried out, and nobody told',
    lasts: at(200, 1500),
    inject: async (arena, [a]) => {
      const victim = holderOr(arena, a);
      return troubled(linksOf(arena, victim.slot), { dropped: 'client' }, victim.name);
    },
  },
  'drop all replies': {
    proves: '#26 to #30',
    lasts: at(200, 800),
    inject: async (arena) =>
      troubled(
        arena.slots.flatMap((slot) => linksOf(arena, slot)),
        { dropped: 'client' },
        'all clients',
      ),
  },
  'drop requests': {
    proves: '#29, #49: sent, and never carried out',
    lasts: at(200, 1500),
    inject: async (arena, [a]) => {
      const victim = holderOr(arena, a);
      return troubled(linksOf(arena, victim.slot), { dropped: 'server' }, victim.name);
    },
  },
  'revoke lease': {
    proves: '#12, #11: as by a leader that is mistaken',
    lasts: instant,
    inject: async (arena, [a]) => {
      const claim = await someClaim(arena, a);
      return byHand(arena, claim.key, (etcd, within) => etcd.leaseClient.leaseRevoke({ ID: claim.lease }, within()));
    },
  },
  'delete claim': {
    proves: '#12',
    lasts: instant,
    inject: async (arena, [a]) => {
      const { key } = await someClaim(arena, a);
      return byHand(arena, key, (etcd, within) => etcd.kv.deleteRange({ key: Buffer.from(key) }, within()));
    },
  },
  'overwrite claim': {
    proves: '#13',
    lasts: instant,
    inject: async (arena, [a]) => {
      const { key } = await someClaim(arena, a);
      // In its lease still, so that it goes with it.
      const request = { key: Buffer.from(key), value: Buffer.from('somebody else'), ignore_lease: true };
      return byHand(arena, key, (etcd, within) => etcd.kv.put(request, within()));
    },
  },
};

const FAULTS = { server, client };

/**
 * The faults of each lane, with those that only this set-up has.
 *
 * @param {import('./setups.mjs').Setup} [setup]
 * @returns {Record<string, Record<string, Fault>>}
 */
export const faultsOf = ({ faults, without = [] } = SETUPS.plain) =>
  Object.fromEntries(
    Object.entries(FAULTS).map(([lane, kinds]) => [
      lane,
      Object.fromEntries(Object.entries({ ...kinds, ...faults?.[lane] }).filter(([name]) => !without.includes(name))),
    ]),
  );

/**
 * The decks that a schedule is dealt from.
 *
 * @param {number} ttl
 * @param {import('./setups.mjs').Setup} [setup] its own faults are there more than once
 */
export const decksFor = (ttl, setup = SETUPS.plain) =>
  Object.fromEntries(
    Object.entries(faultsOf(setup)).map(([lane, kinds]) => [
      lane,
      Object.entries(kinds).flatMap(([name, { lasts }]) => {
        const copies = setup.faults?.[lane][name] ? (setup.often ?? 1) : 1;
        return Array.from({ length: copies }, () => ({ name, lasts: lasts(ttl) }));
      }),
    ]),
  );

async function killed(member) {
  await member.kill();
  return { target: member.name, heal: () => member.start() };
}

function frozen(member) {
  member.signal('SIGSTOP');
  return { target: member.name, heal: () => member.signal('SIGCONT') };
}

const peersOf = (arena, member) =>
  arena.members.filter((other) => other !== member).flatMap((other) => arena.peerLinks(member.name, other.name));

const parted = (arena, member, held) => troubled(peersOf(arena, member), { held }, member.name);

const linksOf = (arena, slot) => arena.fronts.map(({ name }) => arena.clientLink(slot, name));

const slowed = (links, delay, target) =>
  troubled(links, { delay, jitter: delay }, `${target} +${Math.round(delay)} ms`);

function troubled(links, trouble, target) {
  for (const link of links) link.set(trouble);
  return {
    target,
    heal: () => {
      for (const link of links) link.set({});
    },
  };
}

function asleep(arena, part) {
  const victim = holderOr(arena, part);
  arena.clients.freeze(victim);
  return { target: victim.name, heal: () => arena.clients.thaw(victim) };
}

/** Those who hold are the ones to be hurt; where nobody is known to, anybody. */
function holderOr(arena, part) {
  const running = arena.clients.running();
  const told = arena.observer.present().filter(({ key }) => key.startsWith(OWNERS));
  const owners = new Set([...firstClaims(arena).map(({ owner }) => owner), ...told.map(({ value }) => value)]);
  const holding = running.filter(({ name }) => owners.has(name));
  const victim = pickAt(holding.length > 0 ? holding : running, part);
  if (!victim) throw new Error('no client is running');
  return victim;
}

/** The claim at the head of each queue, as the observer has it. */
function firstClaims(arena) {
  const heads = new Map();
  for (const { key, created, lease, value, t } of arena.observer.present()) {
    if (!key.startsWith(LOCKS) || key.includes('\0')) continue;
    const name = lockOf(key);
    const head = heads.get(name);
    if (head && Number(head.created) <= Number(created)) continue;
    heads.set(name, { key, created, lease, t, owner: ownerOf(value) });
  }
  return [...heads.values()];
}

function ownerOf(value) {
  try {
    return JSON.parse(value).owner;
  } catch {
    return undefined; // npm etcd3 writes nothing there, so it is told beside it
  }
}

const STANDS_FOR = 200;

async function someClaim(arena, part) {
  for (let left = 50; left > 0; left -= 1) {
    const claims = firstClaims(arena);
    // Most are gone before a request arrives; those that stand for a while will stand a little longer.
    const standing = claims.filter(({ t }) => now() - t > STANDS_FOR);
    if (claims.length > 0) return pickAt(standing.length > 0 ? standing : claims, part);
    await pause(100);
  }
  throw new Error('nobody held anything for 5 s');
}

/** Not answered, it may have been carried out all the same: so the claim is told of an error, too. */
async function byHand(arena, target, question) {
  const leader = await arena.leader();
  try {
    await arena.ask(leader, question);
    return { target };
  } catch (error) {
    throw Object.assign(error, { target });
  }
}

async function compacted(arena) {
  const revision = String(arena.observer.latest());
  await arena.ask(await arena.leader(), (etcd, within) => etcd.kv.compact({ revision, physical: true }, within()));
  return { target: `to ${revision}` };
}

const defragmented = (arena, member) => arena.ask(member, (etcd) => etcd.maintenance.defragment());

const alarm = (arena, member, action) =>
  arena.ask(member, (etcd, within) => etcd.maintenance.alarm({ action, memberID: 0, alarm: 'Nospace' }, within()));
