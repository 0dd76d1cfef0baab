/**
 * The examples of docs/cli.md, run as far as a machine without cron, systemd and Kubernetes can.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startEtcd } from '../../scripts/etcd.cjs';
import { COMMANDS, ENVIRONMENT } from '../../src/cli/commands.js';
import { RXLOCK, endAll, lasting, pidOf, started } from './terminal.js';

jest.setTimeout(120_000);

const DOCS = readFileSync(join(__dirname, '../../docs/cli.md'), 'utf8');
const block = (language: string): string => new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(DOCS)?.[1] ?? '';

let etcd: Awaited<ReturnType<typeof startEtcd>>;
let folder: string;
let env: Record<string, string>;
beforeAll(async () => {
  etcd = await startEtcd();
  folder = mkdtempSync(join(tmpdir(), 'rxlock-docs-'));
  // As npm installs it.
  chmodSync(RXLOCK, 0o755);
  symlinkSync(RXLOCK, join(folder, 'rxlock'));
  writeFileSync(join(folder, 'cleanup'), '#!/bin/sh\necho "cleaned $*"\n', { mode: 0o755 });
  env = { PATH: [folder, process.env['PATH']].join(delimiter), ETCDCTL_ENDPOINTS: etcd.url };
});
afterAll(async () => {
  await endAll();
  await etcd.stop();
  rmSync(folder, { recursive: true });
});

describe('docs/cli.md', () => {
  it('the crontab line runs the job in sh, and leaves it in silence where another instance is at it', async () => {
    const [, line = ''] = /^\*\/5 \* \* \* \* (.*)$/m.exec(block('crontab')) ?? [];
    const command = line.replace('/usr/local/bin/cleanup', join(folder, 'cleanup'));
    expect(await started('sh', ['-c', command], { env }).ended).toMatchObject({
      code: 0,
      stdout: 'cleaned --all\n',
      stderr: '',
    });
    const other = started('rxlock', ['run', 'jobs/cleanup', '--', ...lasting()], { env });
    await pidOf(other);
    expect(await started('sh', ['-c', command], { env }).ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
    other.process.kill('SIGTERM');
    await other.ended;
  });

  it('the unit is one that systemd takes, and its command leads and ends on SIGTERM', async () => {
    const unit = join(folder, 'importer.service');
    writeFileSync(unit, block('ini'));
    const verified = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
    const complaints = verified.error
      ? 'not tried: no systemd here'
      : verified.stderr.split('\n').filter((line) => line.includes('importer'));
    expect([[], 'not tried: no systemd here']).toContainEqual(complaints);

    const [, line = ''] = /^ExecStart=\S+ (.*)$/m.exec(block('ini')) ?? [];
    const [program = '', ...args] = line.split(' ');
    const leader = started(program, args, { env });
    const looking = started('rxlock', ['watch', 'importer'], { env });
    await looking.printed(/"status":"held"/);
    leader.process.kill('SIGTERM');
    expect(await leader.ended).toMatchObject({ code: 143 });
  });

  it('the container of the CronJob runs the job', async () => {
    const [, list = ''] = /command: (\[.*\])/.exec(block('yaml')) ?? [];
    const command: unknown = JSON.parse(list.replaceAll("'", '"'));
    const [program, ...args] = Array.isArray(command) ? command.map(String) : [];
    expect(await started(program ?? '', args, { env }).ended).toMatchObject({ code: 0, stdout: 'cleaned --all\n' });
  });

  it('names every command and every variable', () => {
    for (const { name } of COMMANDS) expect(DOCS).toContain(`rxlock ${name}`);
    for (const [names] of ENVIRONMENT) for (const name of names.split(', ')) expect(DOCS).toContain(`\`${name}\``);
  });

  it('the first example is a command line that is taken', () => {
    expect(block('sh')).toMatch(/^rxlock run backups\/db -- /);
    expect(
      execFileSync('rxlock', ['run', 'docs/first', '--', 'echo', 'hello'], {
        env: { ...process.env, ...env },
        encoding: 'utf8',
      }),
    ).toBe('hello\n');
  });
});
