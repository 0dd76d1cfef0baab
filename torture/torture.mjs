/**
 * One run, from the first etcd to the last log line.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { openArena } from './arena.mjs';
import { now } from './clock.mjs';
import { KEEP } from './kinds.mjs';
import { unleash } from './nemesis.mjs';

/** Without faults, before the first one. */
const WARM_UP = 2000;

/** How long those who wait may take in the end, behind all who are before them. */
const DRAINED_WITHIN = 30_000;

const CLOSED_WITHIN = 10_000;

/** What clients gave back when they closed must be gone by then. */
const TIDY_AFTER = 1000;

/** What was marked as done is, by then, too: etcd looks for leases that have run out twice a second. */
const FORGOTTEN_AFTER = KEEP + 1000;

const OBSERVED_WITHIN = 5000;

/**
 * @param {object} given
 * @param {string} given.folder for the logs
 * @param {string} given.contender
 * @param {string} given.setup
 * @param {string} [given.engine]
 * @param {string} given.seed
 * @param {number} given.clients
 * @param {number} given.workers
 * @param {number} given.ttl
 * @param {readonly import('./schedule.mjs').Planned[]} given.planned
 * @param {number} given.length of the time with faults
 * @param {(type: string, fields?: object) => void} given.record
 * @param {AbortSignal} given.signal
 * @param {(done: number, phase: string) => void} given.progress
 */
export async function torture({ folder, planned, length, record, signal, progress, ttl, ...setup }) {
  const delays = monitorEventLoopDelay();
  delays.enable();
  const arena = await openArena({ folder, ttl, record, ...setup });
  try {
    await arena.clients.start();
    await sleep(WARM_UP, signal);
    const start = now();
    const ticking = setInterval(() => progress(Math.min(length, now() - start), 'under faults'), 500);
    record('begin');
    await unleash({ arena, planned, signal, record });
    await sleep(start + length - now(), signal);
    clearInterval(ticking);
    await arena.heal();
    record('healed-all');
    signal.throwIfAborted();

    progress(length, 'recovering');
    // The claims of the dead live for a ttl; a leader that is elected meanwhile grants them another.
    await sleep(2 * ttl + 2000, signal);
    signal.throwIfAborted();
    progress(length, 'draining');
    const clients = arena.clients.running();
    record('draining');
    await Promise.all(
      clients.map(async (client) => {
        const drained = await arena.clients.drain(client, DRAINED_WITHIN);
        record('client-drained', { client: client.name, drained });
      }),
    );
    await pause(TIDY_AFTER);
    record('inventory', { phase: 'drained', ...(await arena.inventory()) });
    await Promise.all(
      clients.map(async (client) => {
        const clean = await arena.clients.close(client, CLOSED_WITHIN);
        record('client-closed', { client: client.name, clean });
      }),
    );
    await pause(TIDY_AFTER + FORGOTTEN_AFTER);
    record('inventory', { phase: 'closed', ...(await arena.inventory()) });
    await observed(arena);
  } finally {
    const changes = arena.observer.changes();
    writeFileSync(join(folder, 'changes.jsonl'), changes.map((change) => `${JSON.stringify(change)}\n`).join(''));
    record('harness', { slowest: delays.max / 1e6, p99: delays.percentile(99) / 1e6, interrupted: signal.aborted });
    delays.disable();
    await arena.close();
  }
}

/** Until the observer knows all that the servers do. */
async function observed(arena) {
  const giveUpAt = now() + OBSERVED_WITHIN;
  const revision = await arena.ask(arena.members[0], async (client) =>
    Number((await client.maintenance.status()).header.revision),
  );
  while (arena.observer.latest() < revision && now() < giveUpAt) await pause(50);
}

const sleep = (ms, signal) => pause(Math.max(0, ms), undefined, { signal }).catch(() => undefined);
