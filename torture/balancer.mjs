/**
 * A load balancer for TCP, as in front of a cluster that clients know by one address: each connection goes to the next
 * member, and may be ended at any time so that the next one goes elsewhere.
 */
import { connect, createServer } from 'node:net';

/**
 * @param {readonly { name: string, url: string }[]} members
 * @returns {Promise<{ url: string, shift: (from?: string) => void, drain: (name: string) => void, fill: (name: string) => void, close: () => void }>}
 */
export async function openBalancer(members) {
  /** @type {Map<import('node:net').Socket, { member: string, both: readonly import('node:net').Socket[] }>} */
  const connections = new Map();
  const drained = new Set();
  let turn = 0;

  const next = () => {
    const open = members.filter(({ name }) => !drained.has(name));
    turn += 1;
    return open[turn % open.length];
  };

  const server = createServer((dialer) => {
    dialer.setNoDelay(true);
    const member = next();
    if (!member) return dialer.destroy();
    const there = connect(Number(new URL(member.url).port), '127.0.0.1');
    there.setNoDelay(true);
    const both = [dialer, there];
    connections.set(dialer, { member: member.name, both });
    for (const socket of both) {
      // An error is followed by `close`, which is what counts here.
      socket.on('error', () => undefined);
      socket.once('close', () => {
        connections.delete(dialer);
        for (const each of both) each.destroy();
      });
    }
    dialer.pipe(there);
    there.pipe(dialer);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(undefined));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a balancer has a port');

  const shift = (from) => {
    for (const { member, both } of [...connections.values()]) {
      if (from === undefined || member === from) for (const socket of both) socket.destroy();
    }
  };

  return {
    url: `http://127.0.0.1:${address.port}`,
    /** Ends connections: those to that member, or all. */
    shift,
    drain(name) {
      drained.add(name);
      shift(name);
    },
    fill: (name) => void drained.delete(name),
    close() {
      server.close();
      shift();
    },
  };
}
