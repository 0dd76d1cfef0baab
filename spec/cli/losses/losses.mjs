/**
 * Losses made on purpose, and whether the command of the loser was dead before that of the next one began.
 *
 * ```text
 * command of A   ^--beat--beat--beat-K               K: killed by its rxlock
 * command of B                            ^--beat    started once B holds; the gap is what is measured
 * ```
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { filter, firstValueFrom } from 'rxjs';
import { createLocks } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';
import { contender } from './contenders.mjs';
import { link } from './link.mjs';

/** How a loss is made: `freeze` etcd, `cut` the way of the holder, `stop` or `kill` the process that holds. */
export const WAYS = ['freeze', 'cut', 'stop', 'kill'];

/** @returns {Promise<{ losses: number, overlaps: number, stuck: number, gaps: number[], codes: Record<string, number> }>} */
export async function losses({ etcd, kind = 'rxlock', way, count, side = 4, ttl = 3000, say = () => {} }) {
  const root = mkdtempSync(join(tmpdir(), 'rxlock-losses-'));
  const observer = createLocks(etcd3Backend({ hosts: etcd.url }));
  const etcdctl = join(dirname(etcd.binary), 'etcdctl');
  const result = { losses: 0, overlaps: 0, stuck: 0, gaps: [], codes: {} };
  const alive = new Set();
  const lanes = Array.from({ length: side }, (_, i) => ({
    key: `losses/${kind}/${way}/${i}`,
    folder: join(root, String(i)),
    seen: [],
  }));

  const enter = async (lane) => {
    const way = await link(Number(new URL(etcd.url).port));
    const made = contender(kind, { hosts: way.url, key: lane.key, ttl, folder: lane.folder, etcdctl });
    const one = { ...made, made, way };
    alive.add(one);
    return one;
  };
  const leave = async (one, pid) => {
    for (const victim of [pid, one.process.pid]) killed(victim);
    await one.made.exited;
    one.way.close();
    alive.delete(one);
  };

  /** A holder whose command runs, and somebody behind it. */
  const settle = async (lane) => {
    for (;;) {
      lane.holder = await enter(lane);
      lane.record = await Promise.race([next(lane), lane.holder.made.exited.then(() => undefined)]);
      if (lane.record) break;
      // On a busy machine it may not even get so far.
      lane.stop();
      await leave(lane.holder);
    }
    lane.waiter = await enter(lane);
    lane.next = next(lane);
  };
  /** What became of the holder, and who came after it. */
  const pass = async (lane) => {
    const record = await Promise.race([lane.next, lane.waiter.made.exited.then(() => undefined), patience(20 * ttl)]);
    if (!record) {
      result.stuck += 1;
      lane.stop();
      await leave(lane.holder, lane.record.pid);
      await leave(lane.waiter);
      return settle(lane);
    }
    const gap = record.startedAt - lastBeat(lane.folder, lane.record.pid);
    result.losses += 1;
    result.gaps.push(gap);
    if (gap <= 0 || record.beside.length > 0) result.overlaps += 1;
    if (way === 'stop') lane.holder.process.kill('SIGCONT');
    // rxlock ends by itself; etcdctl may go on for ever.
    const ended = await Promise.race([lane.holder.made.exited, patience(kind === 'rxlock' ? 20 * ttl : 1000)]);
    const code = ended ? String(ended.code ?? ended.signal) : 'runs on';
    result.codes[code] = (result.codes[code] ?? 0) + 1;
    await leave(lane.holder, lane.record.pid);
    lane.holder = lane.waiter;
    lane.record = record;
    lane.waiter = await enter(lane);
    lane.next = next(lane);
  };

  try {
    for (const lane of lanes) mkdirSync(lane.folder, { recursive: true });
    await Promise.all(lanes.map(settle));
    while (result.losses + result.stuck < count) {
      // On a busy machine a lock is lost without our doing: that counts like any other loss.
      await Promise.all(
        lanes.map((lane) => Promise.race([queued(observer, lane.key), lane.next, lane.waiter.made.exited])),
      );
      if (way === 'freeze') {
        etcd.signal('SIGSTOP');
        await pause(ttl + 500);
        etcd.signal('SIGCONT');
      } else {
        for (const { holder } of lanes) {
          if (way === 'cut') holder.way.cut();
          else holder.process.kill(way === 'stop' ? 'SIGSTOP' : 'SIGKILL');
        }
      }
      await Promise.all(lanes.map(pass));
      say(result);
    }
    return result;
  } finally {
    etcd.signal('SIGCONT');
    for (const lane of lanes) lane.stop?.();
    for (const one of [...alive]) await leave(one, undefined);
    for (const { folder } of lanes) for (const { pid } of records(folder)) killed(pid);
    await observer.close();
    rmSync(root, { recursive: true, force: true });
  }
}

/** The end of a wait for something better, which must not keep the process when that has come. */
const patience = (ms) => pause(ms, undefined, { ref: false });

/** The next command that starts in the folder of a lane. */
function next(lane) {
  return new Promise((resolve) => {
    const look = () => {
      const found = records(lane.folder).find(({ pid }) => !lane.seen.includes(pid));
      if (!found) return;
      lane.stop();
      lane.seen.push(found.pid);
      resolve(found);
    };
    const watcher = watch(lane.folder, look);
    lane.stop = () => watcher.close();
    look();
  });
}

const records = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));

const lastBeat = (folder, pid) => Number(readFileSync(join(folder, `${pid}.beat`), 'utf8'));

const queued = (locks, key) =>
  firstValueFrom(
    locks
      .mutex(key)
      .ownership$()
      .pipe(filter(({ status, waiting }) => status === 'held' && waiting > 0)),
  );

function killed(pid) {
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
