/**
 * Run by compat.mjs in a project of its own: prints what was seen, fails otherwise.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import Etcd from 'node-etcd';
import { lastValueFrom, of } from 'rxjs';
import { createLocks, withLock } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';
import { memoryBackend } from 'rxlock/memory';
import { nodeEtcdBackend } from 'rxlock/node-etcd';

const { url, entries } = JSON.parse(process.argv[2] ?? '{}');
const require = createRequire(import.meta.url);
process.on('warning', (warning) => {
  // A peer's own.
  if (warning.name !== 'DeprecationWarning') throw warning;
});

/** Entries whose optional peer is not installed here. */
const needsPeer = (error) => error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND';
const seen = [];
for (const entry of entries) {
  const name = join(entry);
  try {
    const imported = Object.keys(await import(name)).sort();
    const required = Object.keys(require(name)).sort();
    assert.deepEqual(required, imported, name);
    seen.push(name);
  } catch (error) {
    if (!needsPeer(error)) throw error;
  }
}

const backends = { memory: memoryBackend(), v3: etcd3Backend({ hosts: url }), v2: nodeEtcdBackend(new Etcd(url)) };
for (const [name, backend] of Object.entries(backends)) {
  const locks = createLocks(backend, { ttl: 2000 });
  const order = [];
  const one = (n) => lastValueFrom(of(n).pipe(withLock(locks.mutex(`compat/${process.version}`))));
  await Promise.all([1, 2, 3].map(async (n) => order.push(await one(n))));
  assert.deepEqual(order, [1, 2, 3], name);
  await locks.close();
}

const bin = require.resolve('rxlock/package.json').replace('package.json', 'dist/esm/cli/rxlock.js');
const args = [bin, 'run', 'compat', '--hosts', url, '--', process.execPath, '-p', 'process.env.RXLOCK_KEY'];
assert.equal(execFileSync(process.execPath, args, { encoding: 'utf8' }), 'compat\n');
console.log(`${process.version}: ${seen.length} entries, ${Object.keys(backends).join(', ')}, command line`);

function join(entry) {
  return entry === '.' ? 'rxlock' : `rxlock/${entry.slice(2)}`;
}
