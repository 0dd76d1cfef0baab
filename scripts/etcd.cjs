/**
 * A real etcd for specs and demo: finds one, or fetches it, and starts it.
 *
 *   node scripts/etcd.cjs             prints the path of the one used: $ETCD_BIN, else etcd on PATH, else Debian's 3.5
 *   node scripts/etcd.cjs bookworm    Debian's package of that suite (bookworm: 3.4, trixie: 3.5), or $ETCD_BIN_BOOKWORM
 *
 * CommonJS, since the specs run as that.
 */
const { execFileSync, spawn } = require('node:child_process');
const { randomInt } = require('node:crypto');
const { existsSync, mkdtempSync, rmSync } = require('node:fs');
const { createServer } = require('node:net');
const { tmpdir } = require('node:os');
const { delimiter, dirname, join } = require('node:path');
const { unpacked } = require('./debian.cjs');

const DEFAULT_SUITE = 'trixie';

/** From 3.6 on there is no v2 API. */
const SERVES_V2 = /etcd Version: 3\.[45]\./;

const INSTALL =
  'Install etcd (Debian: etcd-server, macOS: brew install etcd, others: github.com/etcd-io/etcd/releases) so that it ' +
  'is on PATH, or set ETCD_BIN to it. Any version from 3.4 on will do, but for specs of the v2 API: those need 3.4 or 3.5.';

/**
 * The path of an etcd binary. Throws with a sentence that says what to install.
 *
 * @param {string} [suite] of Debian
 * @param {boolean} [needsV2] whether it has to serve the v2 API
 * @returns {string}
 */
function findEtcd(suite, needsV2 = false) {
  const variable = suite ? `ETCD_BIN_${suite.toUpperCase()}` : 'ETCD_BIN';
  const given = process.env[variable];
  if (given) return checked(given, variable, needsV2);
  if (suite) return fetched(suite);
  const onPath = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'etcd'))
    .find(existsSync);
  return onPath ? checked(onPath, 'PATH', needsV2) : fetched(DEFAULT_SUITE);
}

function checked(binary, from, needsV2) {
  const version = versionOf(binary, from);
  if (!needsV2 || SERVES_V2.test(version)) return binary;
  throw new Error(
    `${binary} (from ${from}) is ${version.split('\n')[0]}, which has no v2 API. Specs of the v2 API need etcd 3.4 or ` +
      '3.5 (github.com/etcd-io/etcd/releases): set ETCD_BIN to one.',
  );
}

function versionOf(binary, from) {
  try {
    return execFileSync(binary, ['--version'], { encoding: 'utf8' });
  } catch (cause) {
    throw new Error(`${binary} (from ${from}) cannot be run.`, { cause });
  }
}

function fetched(suite) {
  const binary = join('usr', 'bin', 'etcd');
  try {
    return join(unpacked({ name: 'etcd', suite, packages: ['etcd-server', 'etcd-client'], binary }), binary);
  } catch (cause) {
    throw new Error(`There is no etcd here, and Debian's packages cannot be fetched. ${INSTALL}`, { cause });
  }
}

/**
 * Flags of etcd without their dashes, such as `{ 'auth-token-ttl': 1 }`.
 *
 * @typedef {Readonly<Record<string, string | number | boolean>>} EtcdFlags
 */

/**
 * @typedef {object} EtcdProcess
 * @property {() => Promise<void>} start resolves when it serves; again after a `kill`, as the same member
 * @property {(signal: NodeJS.Signals) => boolean} signal
 * @property {() => Promise<void>} kill resolves when it is gone
 */

/**
 * A process of etcd that dies with this one.
 *
 * @param {string} binary
 * @param {EtcdFlags} flags
 * @returns {EtcdProcess}
 */
function etcdProcess(binary, flags) {
  const given = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  let running;

  return {
    async start() {
      const server = spawn(binary, given, { stdio: ['ignore', 'ignore', 'pipe'] });
      const killed = () => server.kill('SIGKILL');
      process.once('exit', killed);
      const exited = new Promise((resolve) => server.once('exit', resolve));
      void exited.then(() => process.off('exit', killed));
      running = { server, exited };

      await new Promise((resolve, reject) => {
        let log = '';
        server.stderr.on('data', (chunk) => {
          log = `${log}${chunk}`.slice(-4000);
          if (log.includes('ready to serve client requests')) resolve(undefined);
        });
        server.once('error', reject);
        server.once('exit', (code) => reject(new Error(`etcd ended with ${code} before it was ready:\n${log}`)));
      });
    },
    signal: (signal) => running?.server.kill(signal) ?? false,
    async kill() {
      running?.server.kill('SIGKILL');
      await running?.exited;
    },
  };
}

/**
 * @typedef {object} EtcdServer
 * @property {string} url of the client API, v3 and v2
 * @property {string} binary
 * @property {(signal: NodeJS.Signals) => boolean} signal
 * @property {() => Promise<void>} restart kills it and starts it again, with its data; resolves when it serves
 * @property {(snapshot: string, token?: string) => Promise<void>} restore kills it and starts it from a snapshot of
 *   `etcdctl snapshot save`, as a cluster of that token; resolves when it serves
 * @property {() => Promise<void>} stop kills it and removes its data
 */

/**
 * Starts an etcd on free loopback ports, with its v2 API on if it has one; resolves when it serves. With a `cert-file`
 * among the flags it speaks TLS. With `enable-v2: true` among them it throws where there is no v2 API.
 *
 * @param {string} [suite] of Debian
 * @param {EtcdFlags} [flags] further ones
 * @returns {Promise<EtcdServer>}
 */
async function startEtcd(suite, flags = {}) {
  const binary = findEtcd(suite, flags['enable-v2'] === true);
  const data = mkdtempSync(join(tmpdir(), 'rxlock-etcd-'));
  const url = `${'cert-file' in flags ? 'https' : 'http'}://127.0.0.1:${await freePort()}`;
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  const member = {
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': `default=${peerUrl}`,
  };
  const { start, signal, kill } = etcdProcess(binary, {
    'data-dir': join(data, 'default.etcd'),
    'listen-client-urls': url,
    'advertise-client-urls': url,
    'listen-peer-urls': peerUrl,
    ...member,
    ...(SERVES_V2.test(versionOf(binary, 'the search above')) && { 'enable-v2': true }),
    ...flags,
  });
  await start();

  return {
    url,
    binary,
    signal,
    async restart() {
      await kill();
      await start();
    },
    async restore(snapshot, token = 'etcd-cluster') {
      await kill();
      const folder = join(data, 'default.etcd');
      rmSync(folder, { recursive: true });
      const flags = Object.entries({ ...member, 'data-dir': folder, 'initial-cluster-token': token });
      execFileSync(
        join(dirname(binary), 'etcdctl'),
        ['snapshot', 'restore', snapshot, ...flags.map(([name, value]) => `--${name}=${value}`)],
        { env: { ...process.env, ETCDCTL_API: '3' }, stdio: ['ignore', 'ignore', 'pipe'] },
      );
      await start();
    },
    async stop() {
      await kill();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/**
 * Below the ports that systems take for outgoing connections (Linux: from 32768, others: from 49152): a port from among
 * those may be taken by any connection of this machine before the server listens on it, or while it is restarted.
 */
const PORTS = { from: 10_000, to: 32_000 };

/** Given out, and perhaps not listened on yet. */
const given = new Set();

/** @returns {Promise<number>} */
async function freePort() {
  for (let attempts = 100; attempts > 0; attempts -= 1) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${PORTS.from} and ${PORTS.to}`);
}

/** @returns {Promise<boolean>} */
const isFree = (port) =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => ('code' in error && error.code === 'EADDRINUSE' ? resolve(false) : reject(error)));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

module.exports = { etcdProcess, findEtcd, freePort, startEtcd };

if (require.main === module) {
  try {
    console.log(findEtcd(process.argv[2]));
  } catch (error) {
    console.error(error.message);
    if (error.cause) console.error(String(error.cause.stderr ?? error.cause));
    process.exitCode = 1;
  }
}
