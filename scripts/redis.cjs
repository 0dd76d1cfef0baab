/**
 * A real Redis for the benchmarks: the one on PATH, or Debian's, started on a free loopback port.
 */
const { spawn } = require('node:child_process');
const { existsSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { delimiter, join } = require('node:path');
const { unpacked } = require('./debian.cjs');
const { freePort } = require('./etcd.cjs');

const PACKAGES = [
  'redis-server',
  'redis-tools',
  'libhiredis0.14',
  'libjemalloc2',
  'liblua5.1-0',
  'liblzf1',
  'lua-bitop',
  'lua-cjson',
  'libatomic1',
];

/** The binary, and what has to be in its environment. */
function findRedis() {
  const onPath = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'redis-server'))
    .find(existsSync);
  if (onPath) return { binary: onPath, env: process.env };
  const binary = join('usr', 'bin', 'redis-server');
  const root = unpacked({ name: 'redis', suite: 'bookworm', packages: PACKAGES, binary });
  const libraries = join(root, 'usr', 'lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`);
  return { binary: join(root, binary), env: { ...process.env, LD_LIBRARY_PATH: libraries } };
}

/**
 * Starts it; resolves when it serves. `durable`: every write is on disk before it is answered, as etcd's are.
 *
 * @param {{ durable?: boolean }} [options]
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>}
 */
async function startRedis({ durable = false } = {}) {
  const { binary, env } = findRedis();
  const folder = mkdtempSync(join(tmpdir(), 'rxlock-redis-'));
  const port = await freePort();
  const persistence = durable ? ['--appendonly', 'yes', '--appendfsync', 'always'] : [];
  const given = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...persistence];
  const server = spawn(binary, given, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const killed = () => server.kill('SIGKILL');
  process.once('exit', killed);
  const exited = new Promise((resolve) => server.once('exit', resolve));
  await new Promise((resolve, reject) => {
    let log = '';
    server.stdout.on('data', (chunk) => {
      const said = `${log}${chunk}`;
      if (/ready to accept connections/i.test(said)) resolve(undefined);
      log = said.slice(-4000);
    });
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`redis-server ended with ${code} before it was ready:\n${log}`)));
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      server.kill('SIGKILL');
      await exited;
      process.off('exit', killed);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

module.exports = { startRedis };
