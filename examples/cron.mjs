/**
 * One task in three processes whose clocks differ, 20 ticks, one process killed in the middle of a tick: each tick is
 * done once.
 *
 *   npm run build && node examples/cron.mjs --hosts http://127.0.0.1:2379 [--ticks 20]
 *
 * The tick is every second. The clock of `late` is 400 ms behind, that of `early` as much ahead. Every line is a run;
 * whoever runs the sixth tick is killed in the middle of it, and another one runs it once the lease has run out.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: 'http://127.0.0.1:2379' },
    ticks: { type: 'string', default: '20' },
    owner: { type: 'string' },
    offset: { type: 'string', default: '0' },
    name: { type: 'string', default: `demo-${process.pid}` },
  },
});

await (values.owner ? worker() : fleet());

/** An instance of a service: it knows nothing of the others. */
async function worker() {
  skewClock(Number(values.offset));
  const { createLocks } = await import('rxlock');
  const { etcd3Backend } = await import('rxlock/etcd3');
  const { runCoordinator } = await import('rxlock/node-cron');
  const { default: cron } = await import('node-cron');
  const locks = createLocks(etcd3Backend({ hosts: values.hosts.split(',') }), { owner: values.owner, ttl: 3000 });
  const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
  const tick = async ({ date }) => {
    const at = new Date(date).toISOString().slice(11, 19);
    tell({ began: at });
    await new Promise((done) => setTimeout(done, 150));
    tell({ ended: at });
  };
  const task = cron.schedule('* * * * * *', tick, {
    name: values.name,
    distributed: true,
    runCoordinator: runCoordinator(locks, { keep: 3_600_000 }),
  });
  tell({ ready: true });
  process.once('SIGTERM', async () => {
    await task.stop();
    await locks.close();
    process.exit();
  });
}

/** All that looks at the calendar is so many milliseconds off, as on a machine without NTP. */
function skewClock(offset) {
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...given) {
      if (given.length > 0) super(...given);
      else super(RealDate.now() + offset);
    }
    static now() {
      return RealDate.now() + offset;
    }
  };
}

async function fleet() {
  const ticks = Number(values.ticks);
  const ended = new Map();
  const offsets = { late: -400, right: 0, early: 400 };
  let isWhole = true;
  let enough;
  const allDone = new Promise((resolve) => (enough = resolve));
  const processes = Object.entries(offsets).map(([owner, offset]) => {
    const given = ['--owner', owner, `--offset=${offset}`, '--hosts', values.hosts, '--name', values.name];
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...given], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { began, ended: end } = JSON.parse(line);
      if (began) {
        const before = ended.has(began) ? '  AGAIN' : '';
        console.log(`${began}  ${owner.padEnd(5)} runs${before}`);
        // The one that runs the sixth tick is killed in the middle of it: a clock that is ahead tends to be first.
        if (!isWhole || ended.size < 5) return;
        isWhole = false;
        console.log(`${began}  ${owner.padEnd(5)} killed in the middle of it`);
        child.kill('SIGKILL');
      }
      if (end) {
        ended.set(end, [...(ended.get(end) ?? []), owner]);
        if (isEnough(ended, ticks)) enough();
      }
    });
    return child;
  });
  await allDone;
  // What was done last is being marked.
  await new Promise((marked) => setTimeout(marked, 500));
  for (const child of processes) child.kill('SIGTERM');
  await Promise.all(
    processes.map((child) => child.exitCode ?? child.signalCode ?? new Promise((end) => child.once('exit', end))),
  );
  const seconds = [...ended.keys()].sort().slice(0, ticks);
  const twice = seconds.filter((tick) => ended.get(tick).length > 1);
  const missed = seconds.slice(1).filter((tick, i) => secondsOf(tick) - secondsOf(seconds[i]) > 1);
  console.log(`${seconds.length} ticks done, ${twice.length} of them twice, ${missed.length} gaps.`);
  process.exitCode = twice.length + missed.length > 0 ? 1 : 0;
}

/** The tick of the killed process comes late, when its lease has run out: it is waited for, but not for ever. */
function isEnough(ended, ticks) {
  const first = [...ended.keys()].sort().slice(0, ticks).map(secondsOf);
  const isWhole = first.length === ticks && first.at(-1) - first[0] === ticks - 1;
  return isWhole || ended.size >= ticks + 10;
}

function secondsOf(time) {
  const [hours, minutes, seconds] = time.split(':').map(Number);
  return hours * 3600 + minutes * 60 + seconds;
}
