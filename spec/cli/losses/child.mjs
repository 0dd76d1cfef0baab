/**
 * The command under the lock: says when it was started, and which commands before it were alive then; writes the time
 * every few milliseconds for as long as it lives. It ignores every signal that can be ignored.
 *
 *   node child.mjs FOLDER
 */
import { openSync, readFileSync, readdirSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { BEAT_EVERY, now } from './time.mjs';

const folder = process.argv[2];
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});

const startedAt = now() - process.uptime() * 1000;
const beat = openSync(join(folder, `${process.pid}.beat`), 'w');
const before = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')).pid);
const isAlive = (pid) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return false;
    throw error;
  }
};
const record = { pid: process.pid, startedAt, beside: before.filter(isAlive), token: process.env.ETCD_LOCK_REV };
const draft = join(folder, `${process.pid}.draft`);
writeFileSync(draft, JSON.stringify(record));
renameSync(draft, join(folder, `${process.pid}.json`));

setInterval(() => writeSync(beat, String(now()).padEnd(24), 0), BEAT_EVERY);
