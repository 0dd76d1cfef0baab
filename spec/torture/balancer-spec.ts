/**
 * The balancer between clients and servers, on real sockets: one that shares nothing out would prove nothing.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openBalancer } from '../../torture/balancer.mjs';

const NAMES = ['m1', 'm2'];

describe('a balancer', () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  let balancer: Awaited<ReturnType<typeof openBalancer>>;

  /** Says its name to whoever connects. */
  const serverOf = async (name: string): Promise<{ readonly name: string; readonly url: string }> => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(name);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(server);
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('it listens on a port');
    return { name, url: `http://127.0.0.1:${address.port}` };
  };
  const dial = async (): Promise<{ readonly name: string; readonly closed: Promise<unknown> }> => {
    const socket = connect(Number(new URL(balancer.url).port), '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const name = await new Promise((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())));
    return { name: String(name), closed };
  };

  beforeEach(async () => {
    balancer = await openBalancer(await Promise.all(NAMES.map(serverOf)));
  });
  afterEach(() => {
    balancer.close();
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  it('shares connections out among all members', async () => {
    const names = [(await dial()).name, (await dial()).name];
    expect(names.sort()).toEqual(NAMES);
  });

  it('ends those to a member that is drained, and takes new ones elsewhere', async () => {
    const both = [await dial(), await dial()];
    balancer.drain('m1');
    await both.find(({ name }) => name === 'm1')?.closed;
    expect([(await dial()).name, (await dial()).name]).toEqual(['m2', 'm2']);
    balancer.fill('m1');
    const names = [(await dial()).name, (await dial()).name];
    expect(names.sort()).toEqual(NAMES);
  });

  it('ends all when it shifts all', async () => {
    const both = [await dial(), await dial()];
    balancer.shift();
    await Promise.all(both.map(({ closed }) => closed));
  });
});
