/**
 * One run: real engines, a memory server, virtual time, and what must be true at every step of it.
 */
import { createLocks } from '../../src/index.js';
import type { Locks } from '../../src/index.js';
import { ClaimLost } from '../../src/engine/session.js';
import { randomFrom } from '../../src/testing/random.js';
import { createAnchor } from './anchor.js';
import type { Anchor } from './anchor.js';
import { createElectionRules } from './elections.js';
import type { ElectionAccount } from './elections.js';
import { createMachine } from './machine.js';
import type { Machine } from './machine.js';
import { ONCE, createOnceRules } from './once.js';
import type { OnceAccount } from './once.js';
import { createPresence } from './presence.js';
import { HEAL_AT, KEYS, LONGEST_HOLD, MOST_TASKS, TTL } from './schedule.js';
import type { Fault, Restore, Schedule } from './schedule.js';
import { createServer } from './server.js';
import { createStaleness } from './staleness.js';
import { createTaskRules } from './tasks.js';
import type { TaskAccount } from './tasks.js';
import { createWire } from './wire.js';
import type { Wire } from './wire.js';
import { createWorld } from './world.js';

/** What is promised was not kept. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** What happened in a run: a run in which nothing does proves nothing. */
export interface Account extends TaskAccount, OnceAccount, ElectionAccount {
  /** Requests to give way that reached a holder. */
  asked: number;
  lost: number;
  requeued: number;
  restored: number;
}

interface Client {
  readonly machine: Machine;
  readonly wire: Wire;
  readonly locks: Locks;
  readonly ttl: number;
}

/** Everybody waiting at the heal may come after everybody else, each with its hold. */
const HOLDS = MOST_TASKS * LONGEST_HOLD * 1.1;

/** So often it is looked whether all is over. */
const STEP = 500;
/** What only the ttl or an audit settles is waited for with no longer ttl: that takes twice as long. */
const LONGEST_WAITED = 5000;

/** @throws Violation */
export function simulate(schedule: Schedule): Account {
  const world = createWorld();
  const random = randomFrom(schedule.seed);
  const violations: string[] = [];
  const violated = (what: string): void => {
    violations.push(`at ${world.now().toFixed(1)}: ${what}`);
  };
  const account = { asked: 0, lost: 0, requeued: 0, restored: 0 };
  const longestTtl = Math.max(...schedule.ttls);
  /** In half of the runs, whoever is not next in a queue is far from its head. */
  const near = schedule.seed % 2 === 0 ? 1 : Infinity;

  const presence = createPresence(() => world.now(), violated);
  const server = createServer(world, schedule.restores.length > 0, (queue) => {
    presence.changed(queue);
    elections.changed(queue);
  });
  const elections = createElectionRules(server, violated);
  const now = (): number => world.now();
  const staleness = createStaleness(server, now, longestTtl);
  const once = createOnceRules({ server, violated, staleness });

  /** Keys whose claim an administrator deleted, until its holder has told of the loss. */
  const deleted = new Set<string>();

  /** The revision of a restored server was as high again before somebody asked for it: nothing tells that it was restored. */
  const unknowable = new Set<number>();
  const remote = {
    ...server,
    backend: once.watched(server.backend),
    hasCaughtUp: (): void => void unknowable.add(server.life),
  };
  const clients = schedule.rates.map((rate, index): Client => {
    const machine = createMachine(world, rate);
    const wire = createWire(world, machine, remote, schedule, random);
    const { scheduler, clock } = machine;
    const ttl = schedule.ttls[index] ?? TTL;
    const owner = ownerOf(index);
    const locks = createLocks({ ...wire.backend, near }, { ttl, owner, scheduler, clock, random });
    locks.events$.subscribe((event) => {
      if (event.type === 'requeued') {
        account.requeued += 1;
        const reason = event.cause instanceof ClaimLost ? event.cause.reason : undefined;
        const isTaken = reason === 'deleted' || reason === 'overwritten';
        const keys = event.key.split(' + ');
        if (isTaken && !keys.some((key) => staleness.mayHaveLostPlace(owner, key))) {
          violated(`a waiter of ${event.key} lost a place it had`);
        }
        // All on a lease queue again in their order.
        if (reason === undefined || isTaken) tasks.requeued(locks, event.key);
      }
      if (event.type === 'revocation') account.asked += 1;
      if (event.type !== 'lost') return;
      account.lost += 1;
      // Nobody takes what he asks for.
      const isTaken = ['deleted', 'overwritten', 'revoked'].includes(event.reason);
      const keys = event.key.split(' + ');
      const wasDeleted = keys.some((key) => deleted.delete(key));
      const mayBe = keys.some((key) => staleness.mayBeGone(key, event.fencingToken));
      if (isTaken && !wasDeleted && !mayBe) violated(`${event.key} was lost as ${event.reason}, which it was not`);
    });
    return { machine, wire, locks, ttl };
  });

  const tasks = createTaskRules({ now, server, presence, elections, violated, staleness });

  /** It is away for a while. As etcd does, it gives each lease a full ttl then, and ends none while it is away. */
  const goAway = (ms: number): void => {
    const until = Math.min(world.now() + ms, HEAL_AT);
    const keepLeases = (): void => {
      server.renewAll();
      if (world.now() < until) world.at(Math.min(world.now() + Math.min(...schedule.ttls) / 2, until), keepLeases);
    };
    keepLeases();
    for (const { wire } of clients) wire.serverGone(until);
  };

  const restore = ({ back, ms, isOtherCluster }: Restore): void => {
    account.restored += 1;
    presence.forget();
    once.forget();
    server.restore(back, isOtherCluster);
    goAway(ms);
  };

  /** No longer than needed: most of what there is to be seen is over soon, and each second costs. */
  const runWhile = (isGoingOn: () => boolean, until: number): void => {
    while (isGoingOn() && world.now() < until) world.runUntil(Math.min(until, world.now() + STEP));
  };

  const remove = (key: string, place: number): boolean => {
    const claim = server.queueNow(key).claims[place];
    if (!claim) return false;
    staleness.takenOut(key, claim);
    server.remove(key, claim);
    return true;
  };

  const anchors = clients.map(({ locks }, index) => createAnchor(world, locks, anchorOf(index), index >= 2));
  for (const [index, { locks }] of clients.entries()) {
    if (schedule.campaigns.length > 0 && index < 2) elections.observe(locks);
  }
  for (const task of [...schedule.tasks, ...schedule.campaigns]) {
    const client = clients[task.client];
    if (!client) continue;
    tasks.start(task, client);
    if (task.candidate) elections.start(task, task.candidate, client);
  }
  for (const task of schedule.onces) {
    const client = clients[task.client];
    if (client) once.start(task, client);
  }
  for (const fault of schedule.faults) world.at(fault.at, () => strike(fault, clients));
  for (const { at, client, key } of schedule.requests) {
    const { machine, locks } = clients[client] ?? {};
    // Out of reach, or closed: nobody was asked.
    const ask = (): unknown =>
      locks
        ?.mutex(KEYS[key] ?? '')
        .revoke({ reason: 'sim' })
        .catch(() => undefined);
    machine?.whenAwake(at, ask);
  }
  for (const { at, ms } of schedule.restarts) world.at(at, () => goAway(ms));
  for (const one of schedule.restores) world.at(one.at, () => restore(one));
  for (const { at, key, place } of schedule.deletions)
    world.at(at, () => void remove([...KEYS, ONCE][key] ?? '', place));

  world.runUntil(HEAL_AT);
  for (const { wire } of clients) wire.heal();
  const isUnfinished = (): boolean => tasks.unfinished.size > 0 || once.unfinished.size > 0;
  // Behind dead leases and retries.
  const servedBy = HEAL_AT + HOLDS + 12 * longestTtl;
  runWhile(isUnfinished, servedBy);
  // What was on its way at the heal is to arrive, and who stood still is to run: he may send something.
  const busyUntil = Math.max(...clients.map(({ wire, machine }) => Math.max(wire.busyUntil(), machine.awakeAt())));
  world.runUntil(Math.max(world.now(), busyUntil) + TTL);
  const isLeft = (key: string): boolean => server.queueNow(key).claims.length > 0;
  const used = [...KEYS, ONCE];
  /** What was not given back by a client that was closed while it was cut off has to expire, and that may take a day. */
  const isLongLeft = (anchor: Anchor, ttl: number): boolean => anchor.isClosed && ttl > LONGEST_WAITED;
  const isSettled = ({ ttl }: Client, index: number): boolean => {
    const anchor = anchors[index];
    if (!anchor || isLongLeft(anchor, ttl)) return true;
    return anchor.isSettled(server.queueNow(anchor.key)) && (!anchor.isClosed || world.now() > HEAL_AT + 2 * ttl);
  };
  // Time for what has to expire, or for the audit that finds it.
  const isBusy = (): boolean => used.some(isLeft) || elections.misled().length > 0 || !clients.every(isSettled);
  runWhile(isBusy, world.now() + 4 * longestTtl);
  // Each client still holds its anchor, so no lease has ended and taken a forgotten claim along.
  for (const { client, at } of once.unfinished) {
    violated(`client ${String(client)}, taking part since ${String(at)}, was never served`);
  }
  for (const key of used) if (isLeft(key)) violated(`a claim on ${key} stayed while its session lived`);
  for (const { client, wants, at } of tasks.unfinished) {
    const keys = wants.map(({ key }) => KEYS[key]).join(' and ');
    violated(`client ${String(client)}, contending for ${keys} since ${String(at)}, was never served`);
  }
  for (const leader of elections.misled()) violated(`an observer goes on seeing ${JSON.stringify(leader)}`);

  // A person deletes what each client still holds: it must be told, though its lease lives and its renewals succeed.
  // By the event, or without it by the audit of its lease, once in one to two ttl.
  const forgotten = new Set<string>();
  for (const [index, anchor] of anchors.entries()) {
    const { wire, ttl } = clients[index] ?? {};
    if (anchor.isClosed) {
      if (isLongLeft(anchor, ttl ?? TTL)) forgotten.add(ownerOf(index));
      continue;
    }
    if (index % 2 === 1 && ttl !== undefined && ttl <= LONGEST_WAITED) wire?.loseNextEvent();
    if (remove(anchor.key, 0)) deleted.add(anchor.key);
  }
  runWhile(() => deleted.size > 0, world.now() + 3 * longestTtl);
  for (const key of deleted) violated(`the holder of ${key} was not told that its claim was deleted`);

  for (const { locks } of clients) void locks.close();
  world.runUntil(world.now() + TTL / 2);
  for (const key of used) if (isLeft(key)) violated(`a claim on ${key} was left behind`);
  for (const lease of server.leases) {
    if (forgotten.has(lease.owner) || server.isBackAgain(lease)) continue;
    if (server.renews(lease)) violated(`a lease was left behind`);
  }

  if (violations.length > 0 && unknowable.size === 0) throw new Violation(violations.slice(0, 5).join('\n'));
  return { ...account, ...tasks.account, ...once.account, ...elections.account };
}

const ownerOf = (client: number): string => `client ${String(client)}`;
const anchorOf = (client: number): string => `anchor ${String(client)}`;

function strike(fault: Fault, clients: readonly Client[]): void {
  const client = clients[fault.client];
  if (!client) return;
  const { machine, wire, locks } = client;
  switch (fault.kind) {
    case 'partition':
      return wire.partition(fault.ms);
    case 'lose-replies':
      return wire.loseReplies(fault.ms);
    case 'late':
      return wire.late(2 * TTL, fault.ms / 2);
    case 'slow':
      return wire.slow(2 * TTL, fault.ms % 2 === 0 ? fault.ms / 20 : fault.ms);
    case 'pause':
      return machine.pause(fault.ms);
    case 'sleep':
      return machine.sleep(fault.ms);
    case 'step-wall':
      return machine.stepWall(fault.ms);
    case 'close':
      return machine.whenAwake(fault.at, () => void locks.close());
  }
}
