/**
 * A real `etcd grpc-proxy` in front of a cluster, as operators put it: it merges the watches of all its clients, and
 * numbers them itself.
 */
const { spawn } = require('node:child_process');
const { connect } = require('node:net');
const { tmpdir } = require('node:os');
const { setTimeout: pause } = require('node:timers/promises');
const { findEtcd, freePort } = require('./etcd.cjs');
const { signalled } = require('./signals.cjs');

const SERVES_WITHIN = 10_000;
const LOOK_EVERY = 20;

/**
 * @typedef {object} EtcdProxy
 * @property {string} url that clients dial
 * @property {(signal: NodeJS.Signals) => boolean} signal
 * @property {() => Promise<void>} kill with `SIGKILL`; resolves when it is gone
 * @property {() => Promise<void>} start again, after a kill, at the same port
 */

/**
 * @param {readonly string[]} endpoints of the members
 * @param {string} [suite] of Debian
 * @returns {Promise<EtcdProxy>}
 */
async function startProxy(endpoints, suite) {
  const binary = findEtcd(suite);
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const flags = [`--endpoints=${endpoints.join(',')}`, `--listen-addr=${address}`, `--advertise-client-url=${address}`];
  let running;
  const proxy = {
    url: `http://${address}`,
    signal: (signal) => signalled(running?.server, signal),
    async kill() {
      running?.server.kill('SIGKILL');
      await running?.exited;
    },
    async start() {
      // Its log is not read: it is waited for by its port.
      const server = spawn(binary, ['grpc-proxy', 'start', ...flags], { cwd: tmpdir(), stdio: 'ignore' });
      const killed = () => server.kill('SIGKILL');
      process.once('exit', killed);
      const exited = new Promise((resolve) => server.once('exit', resolve));
      void exited.then(() => process.off('exit', killed));
      running = { server, exited };
      const giveUpAt = performance.now() + SERVES_WITHIN;
      while (!(await accepts(port))) {
        if (server.exitCode !== null) throw new Error(`etcd grpc-proxy ended with ${server.exitCode} before it served`);
        if (performance.now() > giveUpAt) throw new Error(`etcd grpc-proxy did not serve within ${SERVES_WITHIN} ms`);
        await pause(LOOK_EVERY);
      }
    },
  };
  await proxy.start();
  return proxy;
}

const accepts = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

module.exports = { startProxy };
