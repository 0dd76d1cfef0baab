/**
 * A real etcd for specs and demo: finds one, or fetches it, and starts it.
 *
 *   node scripts/etcd.cjs             prints the path of the one used: $ETCD_BIN, else etcd on PATH, else Debian's 3.5
 *   node scripts/etcd.cjs bookworm    Debian's package of that suite (bookworm: 3.4, trixie: 3.5), or $ETCD_BIN_BOOKWORM
 *
 * CommonJS, since the specs run as that.
 */
const { execFileSync, spawn } = require('node:child_process');
const { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { createServer } = require('node:net');
const { tmpdir } = require('node:os');
const { delimiter, dirname, join } = require('node:path');
const { unpacked } = require('./debian.cjs');
const { signalled } = require('./signals.cjs');

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
          const said = `${log}${chunk}`;
          if (said.includes('ready to serve client requests')) resolve(undefined);
          // On a busy machine one piece may be longer than what is kept for an error.
          log = said.slice(-4000);
        });
        server.once('error', reject);
        server.once('exit', (code) => reject(new Error(`etcd ended with ${code} before it was ready:\n${log}`)));
      });
    },
    signal: (signal) => signalled(running?.server, signal),
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
    // The least there is: no secrets are kept here, and at the default a crowd that signs in waits for the processor.
    'bcrypt-cost': 4,
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

/** Below what Linux and macOS give to connections that go out, so that none of those takes a port before its server does. */
const PORTS = { from: 15_000, to: 30_000 };

/** A file for each port that a process has taken and may not listen on yet: several suites run at a time. */
const TAKEN = join(tmpdir(), 'rxlock-ports');
const taken = [];

/**
 * A port of loopback that nobody listens on, and that no other process is given by this before this one ends.
 *
 * @returns {Promise<number>}
 */
async function freePort() {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));
    if ((await isFree(port)) && isTaken(port)) return port;
  }
}

const isFree = (port) =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

/** Whether it is ours now. */
function isTaken(port) {
  mkdirSync(TAKEN, { recursive: true });
  const file = join(TAKEN, String(port));
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (!isAbandoned(file)) return false;
    rmSync(file, { force: true });
    return isTaken(port);
  }
  if (taken.length === 0) {
    process.once('exit', () => {
      for (const each of taken) rmSync(each, { force: true });
    });
  }
  taken.push(file);
  return true;
}

/** Whether who took it was killed: then it could not give it back. */
function isAbandoned(file) {
  try {
    const owner = Number(readFileSync(file, 'utf8'));
    // Empty while it is being written.
    if (owner > 0) process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH' || error.code === 'ENOENT';
  }
}

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
