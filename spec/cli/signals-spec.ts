/**
 * Signals, while waiting and while holding; commands that fork, ignore and stay behind; the death of rxlock itself.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startEtcd } from '../../scripts/etcd.cjs';
import { IGNORES_ALL, dead, endAll, isRunning, lasting, pidOf, rxlock, started } from './terminal.js';

jest.setTimeout(120_000);

let etcd: Awaited<ReturnType<typeof startEtcd>>;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterEach(endAll);
afterAll(() => etcd.stop());

const run = (...args: string[]) => rxlock(etcd.url, ['run', ...args]);
const SIGNALS = [
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGQUIT', 131],
  ['SIGUSR1', 138],
  ['SIGUSR2', 140],
  ['SIGTERM', 143],
] as const;

/** Whether nobody is in the queue, by a try that queues only for a moment. */
const isFree = async (key: string): Promise<boolean> => (await run(key, '-n', '--', 'true').ended).code === 0;

describe('a signal', () => {
  it.each(SIGNALS)('%s while waiting ends rxlock with %i, and its place in the queue', async (signal, code) => {
    const key = `waiting/${signal}`;
    const holder = run(key, '--ttl', '60s', '--', ...lasting());
    await pidOf(holder);
    const waiter = run(key, '--ttl', '60s', '--json', '--', 'echo', 'ran');
    await waiter.printed(/"event":"waiting"/);
    waiter.process.kill(signal);
    expect(await waiter.ended).toMatchObject({ code, stdout: '' });
    holder.process.kill('SIGTERM');
    expect(await holder.ended).toMatchObject({ code: 3 });
    expect(await isFree(key)).toBe(true);
  });

  it.each(SIGNALS)('%s while holding goes to the command, whose end decides', async (signal, code) => {
    const name = signal.slice(3);
    const handling = run(`holding/${signal}`, '--', ...lasting(`trap 'echo got-${name}; exit 9' ${name}`));
    await pidOf(handling);
    handling.process.kill(signal);
    expect(await handling.ended).toMatchObject({ code: 9, stdout: expect.stringContaining(`got-${name}`) });
    const dying = run(`holding/${signal}`, '--', 'sh', '-c', 'echo "pid $$"; exec sleep 60');
    await pidOf(dying);
    dying.process.kill(signal);
    expect(await dying.ended).toMatchObject({ code });
  });

  it('goes to what the command has forked, too', async () => {
    const one = run('forks', '--', 'sh', '-c', `sh -c 'echo "pid $$"; exec sleep 60' & wait`);
    const pid = await pidOf(one);
    one.process.kill('SIGTERM');
    expect(await one.ended).toMatchObject({ code: 143 });
    expect(isRunning(pid)).toBe(false);
  });

  it('that the command ignores keeps the lock: it is given back when the command has ended', async () => {
    const holder = run('ignored', '--', ...lasting(IGNORES_ALL));
    const pid = await pidOf(holder);
    holder.process.kill('SIGTERM');
    holder.process.kill('SIGINT');
    expect(await run('ignored', '-n', '--', 'true').ended).toMatchObject({ code: 75 });
    expect(isRunning(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
    expect(await holder.ended).toMatchObject({ code: 137 });
    expect(await isFree('ignored')).toBe(true);
  });

  it('while the server is gone ends a waiter all the same', async () => {
    const waiter = rxlock('127.0.0.1:1', ['lead', 'k', '--', 'true']);
    await waiter.printed(/Trying again/);
    waiter.process.kill('SIGTERM');
    expect(await waiter.ended).toMatchObject({ code: 143 });
  });
});

describe('what the command leaves behind', () => {
  it('in its group is ended before the lock is given back', async () => {
    const one = run('left', '--', 'sh', '-c', `sh -c 'echo "pid $$"; exec sleep 60' >&2 & exit 4`);
    const pid = await pidOf(one);
    expect(await one.ended).toMatchObject({ code: 4 });
    expect(isRunning(pid)).toBe(false);
  });

  it('in a group of its own goes on', async () => {
    const one = run(
      'daemon',
      '--',
      'sh',
      '-c',
      `setsid sh -c 'echo "pid $$"; exec sleep 60 >/dev/null 2>&1' & sleep 0.5`,
    );
    const pid = await pidOf(one);
    expect(await one.ended).toMatchObject({ code: 0 });
    expect(isRunning(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
  });
});

/** The guardian: the child of rxlock that runs it once more. */
function guardianOf(rxlock: number): number {
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
        const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return Number(parent) === rxlock && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--guardian');
      } catch {
        // Gone since it was listed.
        return false;
      }
    });
  return Number(found);
}

describe('rxlock itself', () => {
  it('killed with SIGKILL: the command is dead at once, though the lock is still taken', async () => {
    const holder = run('killed', '--ttl', '60s', '--', ...lasting(IGNORES_ALL));
    const pid = await pidOf(holder);
    holder.process.kill('SIGKILL');
    await dead(pid);
    expect(await run('killed', '-n', '--', 'true').ended).toMatchObject({ code: 75 });
  });

  it('stopped past the deadline and continued: the command is dead before the next one runs', async () => {
    const holder = run('stopped', '--ttl', '2s', '--', ...lasting(IGNORES_ALL));
    const pid = await pidOf(holder);
    const next = run(
      'stopped',
      '--ttl',
      '2s',
      '--',
      'sh',
      '-c',
      `kill -0 ${pid} 2>/dev/null && echo overlap; echo next`,
    );
    holder.process.kill('SIGSTOP');
    expect(await next.ended).toMatchObject({ code: 0, stdout: 'next\n' });
    expect(isRunning(pid)).toBe(false);
    holder.process.kill('SIGCONT');
    expect(await holder.ended).toMatchObject({ code: 124 });
  });

  it('without its guardian ends the command, and says so', async () => {
    const holder = run('unguarded', '--', ...lasting(IGNORES_ALL));
    const pid = await pidOf(holder);
    process.kill(guardianOf(holder.process.pid ?? NaN), 'SIGKILL');
    expect(await holder.ended).toMatchObject({ code: 125, stderr: expect.stringContaining('guardian') });
    expect(isRunning(pid)).toBe(false);
    expect(await isFree('unguarded')).toBe(true);
  });

  it('with its guardian stopped ends the command at a loss all the same', async () => {
    const holder = run('frozen', '--ttl', '2s', '--', ...lasting(IGNORES_ALL));
    const pid = await pidOf(holder);
    const guardian = guardianOf(holder.process.pid ?? NaN);
    process.kill(guardian, 'SIGSTOP');
    etcd.signal('SIGSTOP');
    await dead(pid);
    process.kill(guardian, 'SIGCONT');
    etcd.signal('SIGCONT');
    expect(await holder.ended).toMatchObject({ code: 124 });
  });
});

describe('a command that reaches for its guardian', () => {
  // At once, so mostly before the guardian has said whom it has started.
  it('and stops it is ended at a loss all the same', async () => {
    const holder = run('stopping', '--ttl', '2s', '--', ...lasting(`kill -STOP $PPID; ${IGNORES_ALL}`));
    const pid = await pidOf(holder);
    const guardian = guardianOf(holder.process.pid ?? NaN);
    etcd.signal('SIGSTOP');
    try {
      await dead(pid);
    } finally {
      process.kill(guardian, 'SIGCONT');
      etcd.signal('SIGCONT');
    }
    expect(await holder.ended).toMatchObject({ code: 124 });
  });

  it('and kills it is ended, too', async () => {
    const holder = run('killing', '--', ...lasting(`kill -KILL $PPID; ${IGNORES_ALL}`));
    const pid = await pidOf(holder);
    expect(await holder.ended).toMatchObject({ code: 125, stderr: expect.stringContaining('guardian') });
    expect(isRunning(pid)).toBe(false);
    expect(await isFree('killing')).toBe(true);
  });
});

describe('asked to give way', () => {
  const revoke = (key: string, ...args: string[]) =>
    rxlock(etcd.url, ['revoke', key, '--reason', 'drained', '--yes', ...args]).ended;

  it('the command gets SIGTERM, and rxlock exits with 124', async () => {
    const holder = run('asked', '--', ...lasting());
    await pidOf(holder);
    expect(await revoke('asked')).toMatchObject({ code: 0, stdout: expect.stringContaining('"event":"asked"') });
    expect(await holder.ended).toMatchObject({ code: 124, stdout: expect.stringContaining('got-TERM') });
  });

  it('it gets SIGUSR1 with --on-revoke usr1, and decides', async () => {
    const holder = run('asked-usr1', '--on-revoke', 'usr1', '--', ...lasting(`trap 'echo got-USR1; exit 5' USR1`));
    await pidOf(holder);
    await revoke('asked-usr1');
    expect(await holder.ended).toMatchObject({ code: 5, stdout: expect.stringContaining('got-USR1') });
  });

  it('it gets nothing with --on-revoke ignore, until the lock is about to be taken', async () => {
    const holder = run('asked-ignore', '--on-revoke', 'ignore', '--grace', '400ms', '--', ...lasting());
    await pidOf(holder);
    expect(await revoke('asked-ignore')).toMatchObject({ code: 0 });
    expect(await revoke('asked-ignore', '--within', '1s')).toMatchObject({ code: 0 });
    expect(await holder.ended).toMatchObject({ code: 124, stdout: expect.stringContaining('got-TERM') });
  });

  it('a command that ignores it is dead before the lock is taken', async () => {
    const holder = run('asked-hard', '--', ...lasting(IGNORES_ALL));
    const pid = await pidOf(holder);
    const next = run('asked-hard', '--json', '--', 'sh', '-c', `kill -0 ${pid} 2>/dev/null && echo overlap; echo next`);
    await next.printed(/"event":"waiting"/);
    await revoke('asked-hard', '--within', '1s');
    expect(await next.ended).toMatchObject({ code: 0, stdout: 'next\n' });
    expect(await holder.ended).toMatchObject({ code: 124 });
  });
});

describe('on a terminal', () => {
  const typed = (script: string) =>
    started('script', ['-qec', script, '/dev/null'], { env: { ETCDCTL_ENDPOINTS: etcd.url, TERM: 'xterm' } });
  const command = (args: string): string => `${process.execPath} ${process.cwd()}/dist/esm/cli/rxlock.js ${args}`;

  it('the command has the foreground', async () => {
    const { stdout } = await typed(command(`run tty -- sh -c 'ps -o pgid=,tpgid= -p $$; exit 6'; echo "code $?"`))
      .ended;
    const [, group, owner, code] = /(\d+) +(\d+)\s+code (\d+)/.exec(stdout) ?? [];
    expect(group).toBe(owner);
    expect(code).toBe('6');
  });

  it('rxlock in the background does not take it', async () => {
    const { stdout } = await typed(`set -m; ${command(`run tty-bg -- sh -c 'ps -o pgid=,tpgid= -p $$'`)} & wait`).ended;
    const [, group, owner] = /(\d+) +(-?\d+)\s/.exec(stdout) ?? [];
    expect(Number(group)).toBeGreaterThan(0);
    expect(group).not.toBe(owner);
  });

  it('rxlock killed with SIGKILL takes the command with it there, too', async () => {
    const one = typed(
      command(`run tty-kill --json -- sh -c 'echo "pid $$ of $PPID"; trap "" HUP TERM; sleep 60; sleep 60'`),
    );
    const pid = await pidOf(one);
    const [, launcher] = await one.printed(/of (\d+)/);
    const stat = readFileSync(`/proc/${launcher}/stat`, 'latin1');
    process.kill(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]), 'SIGKILL');
    await dead(pid);
  });
});
