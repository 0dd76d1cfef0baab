/**
 * A cluster of real etcds on loopback, whose members can be frozen, killed and started again.
 */
const { execFile } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const { setTimeout: pause } = require('node:timers/promises');
const { promisify } = require('node:util');
const { etcdProcess, findEtcd, freePort } = require('./etcd.cjs');

/** How long the members may take to agree on a leader. An election takes 1 to 2 s, a split vote one more. */
const ELECTED_WITHIN = 20_000;

/** A frozen member does not answer at all. */
const ANSWERS_WITHIN = 500;

const LOOK_EVERY = 50;

/**
 * @typedef {object} EtcdMember
 * @property {string} name
 * @property {string} url of the client API
 * @property {(signal: NodeJS.Signals) => boolean} signal `SIGSTOP` freezes it, `SIGCONT` thaws it
 * @property {() => Promise<void>} kill with `SIGKILL`; resolves when it is gone
 * @property {() => Promise<void>} start the same member again, after a kill; resolves when it serves
 */

/**
 * @typedef {object} EtcdCluster
 * @property {readonly EtcdMember[]} members
 * @property {readonly string[]} urls
 * @property {string} binary of etcd
 * @property {(file: string, user?: string) => Promise<number>} save a snapshot; `user` is `name:password`. Resolves with
 *   the revision that is in it
 * @property {(file: string, between?: () => void) => Promise<void>} restore kills all and starts them from a snapshot, as
 *   the same cluster; `between` is called when all are gone
 * @property {() => Promise<EtcdMember>} leader the member that leads, once those that answer agree on one that does
 * @property {() => Promise<void>} stop kills all and removes their data
 */

/**
 * @typedef {object} ClusterOptions
 * @property {import('./etcd.cjs').EtcdFlags} [flags] further ones, for every member
 * @property {(name: string, peerPort: number) => Promise<number>} [peerDoor] the port at which the other members are to
 *   find this one: for something between them that fails on demand
 */

/**
 * Starts a cluster; resolves when every member serves.
 *
 * @param {string} [suite] of Debian
 * @param {number} [nodes]
 * @param {ClusterOptions} [options]
 * @returns {Promise<EtcdCluster>}
 */
async function startCluster(suite, nodes = 3, { flags = {}, peerDoor = async (_, port) => port } = {}) {
  const binary = findEtcd(suite);
  const data = mkdtempSync(join(tmpdir(), 'rxlock-etcd-'));
  const ports = await Promise.all(Array.from({ length: 2 * nodes }, freePort));
  const names = Array.from({ length: nodes }, (_, i) => `m${i + 1}`);
  const url = (i) => `http://127.0.0.1:${ports[i]}`;
  const peerUrl = (i) => url(nodes + i);
  const doors = await Promise.all(names.map((name, i) => peerDoor(name, ports[nodes + i])));
  const advertisedUrl = (i) => `http://127.0.0.1:${doors[i]}`;
  const initialCluster = names.map((name, i) => `${name}=${advertisedUrl(i)}`).join(',');

  const members = names.map((name, i) => ({
    name,
    url: url(i),
    ...etcdProcess(binary, {
      name,
      'data-dir': join(data, name),
      'listen-client-urls': url(i),
      'advertise-client-urls': url(i),
      'listen-peer-urls': peerUrl(i),
      'initial-advertise-peer-urls': advertisedUrl(i),
      'initial-cluster': initialCluster,
      ...flags,
    }),
  }));
  await Promise.all(members.map((member) => member.start()));

  return {
    members,
    urls: members.map((member) => member.url),
    binary,
    async save(file, user) {
      const who = user === undefined ? [] : ['--user', user];
      await etcdctl(binary, ['--endpoints', url(0), ...who, 'snapshot', 'save', file]);
      const { stdout } = await etcdctl(binary, ['snapshot', 'status', file, '--write-out', 'json']);
      return JSON.parse(stdout).revision;
    },
    async restore(file, between = () => undefined) {
      await Promise.all(members.map((member) => member.kill()));
      between();
      for (const [i, name] of names.entries()) {
        const folder = join(data, name);
        rmSync(folder, { recursive: true });
        const member = {
          name,
          'data-dir': folder,
          'initial-cluster': initialCluster,
          'initial-advertise-peer-urls': advertisedUrl(i),
        };
        const given = Object.entries(member).map(([flag, value]) => `--${flag}=${value}`);
        await etcdctl(binary, ['snapshot', 'restore', file, ...given]);
      }
      await Promise.all(members.map((member) => member.start()));
    },
    async leader() {
      const giveUpAt = performance.now() + ELECTED_WITHIN;
      while (performance.now() < giveUpAt) {
        const views = await Promise.all(members.map(viewOf));
        const answered = views.filter((view) => view !== undefined);
        const leading = answered.find(({ id, leader }) => id === leader);
        if (leading && answered.every(({ leader }) => leader === leading.id)) return leading.member;
        await pause(LOOK_EVERY);
      }
      throw new Error(`the cluster had no leader for ${ELECTED_WITHIN} ms`);
    },
    async stop() {
      await Promise.all(members.map((member) => member.kill()));
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** The one that came with the server. */
const etcdctl = (binary, given) =>
  promisify(execFile)(join(dirname(binary), 'etcdctl'), given, { env: { ...process.env, ETCDCTL_API: '3' } });

/** Its own id and that of whom it takes for the leader; nothing from a member that does not answer. */
async function viewOf(member) {
  try {
    const answer = await fetch(`${member.url}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
      signal: AbortSignal.timeout(ANSWERS_WITHIN),
    });
    const { header, leader } = await answer.json();
    return { member, id: header.member_id, leader };
  } catch {
    return undefined;
  }
}

module.exports = { startCluster };
