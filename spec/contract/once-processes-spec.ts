/**
 * What one of a fleet does for all, in processes of their own on one etcd: killed before its marker, with it on the way,
 * and after it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once as happened } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { createLocks } from '../../src/index.js';
import type { HeldLock, Locks } from '../../src/index.js';
import { inLine } from '../support/waiting.js';

jest.setTimeout(30_000);

const WORKER = join(__dirname, '../support/once-worker.mjs');
const HOUR = 3_600_000;

describe('a runner that is a process of its own, killed', () => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let client: Etcd3;
  let backend: ReturnType<typeof etcd3Backend>;
  let locks: Locks;
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    etcd = await startEtcd();
    client = new Etcd3({ hosts: etcd.url });
  });
  beforeEach(() => {
    backend = etcd3Backend({ hosts: etcd.url });
    locks = createLocks(backend, { ttl: 5000, owner: 'b' });
  });
  afterEach(async () => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
    await locks.close();
  });
  afterAll(async () => {
    client.close();
    await etcd.stop();
  });

  /** Killed where it stands; another one waits for what comes of it meanwhile. */
  const killedWhere = async (stand: string, key: string, ttl: number): Promise<string | undefined> => {
    const given = ['--hosts', etcd.url, '--owner', 'a', '--key', key, '--ttl', String(ttl), '--stand', stand];
    const child = spawn(process.execPath, [WORKER, ...given], { stdio: ['ignore', 'pipe', 'inherit'] });
    running.push(child);
    const lines = createInterface({ input: child.stdout });
    const waits = inLine(locks);
    const said: unknown[] = await happened(lines, 'line');
    expect(said).toEqual([stand]);
    const value = locks.once<string>(key, { keep: HOUR }).run((held) => worked(key, held));
    // Told at once where it is marked already.
    await Promise.race([waits, value]);
    child.kill('SIGKILL');
    return value;
  };

  const worked = async (key: string, held: HeldLock): Promise<string> => {
    const guard = await backend.guard(held);
    await client.put(`plain/${key}/b`).value('done');
    const { succeeded } = await client
      .if(...guard)
      .and(`guarded/${key}`, 'Create', '==', '0')
      .then(client.put(`guarded/${key}`).value('b'))
      .commit();
    return succeeded ? 'by b' : 'by b, and refused';
  };

  const plainWrites = (key: string): Promise<string[]> => client.getAll().prefix(`plain/${key}/`).keys();

  it('between its work and its marker: the next one does it again, but for what it writes under the claim', async () => {
    expect(await killedWhere('before', 'before', 2000)).toBe('by b, and refused');
    expect(await plainWrites('before')).toEqual(['plain/before/a', 'plain/before/b']);
    expect(await client.get('guarded/before').string()).toBe('a');
    expect(await locks.once('before', { keep: HOUR }).run(() => 'again')).toBe('by b, and refused');
  });

  it('with its marker on the way: what came in is done, and what did not is done again', async () => {
    const value = await killedWhere('sent', 'sent', 2000);
    expect(['by a', 'by b, and refused']).toContain(value);
    expect(await plainWrites('sent')).toEqual(value === 'by a' ? ['plain/sent/a'] : ['plain/sent/a', 'plain/sent/b']);
    expect(await locks.once('sent', { keep: HOUR }).run(() => 'again')).toBe(value);
  });

  it('after its marker, before it has given back its lock: nobody runs it, and nobody waits for its lease', async () => {
    // Longer than this spec may take.
    expect(await killedWhere('written', 'written', 60_000)).toBe('by a');
    expect(await plainWrites('written')).toEqual(['plain/written/a']);
  });
});
