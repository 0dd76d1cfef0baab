/**
 * The links between clients and servers, on real sockets: a proxy that does not do what it says would make every other
 * result worthless.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Link, openDoor } from '../../torture/links.mjs';

/** It gets long enough to fail on a busy machine, and nothing waits for it in a run that succeeds but the two that hold. */
const A_WHILE = 100;

describe('a link', () => {
  let server: Server;
  let link: Link;
  let door: Awaited<ReturnType<typeof openDoor>>;
  let heardByServer = '';
  const sockets: Socket[] = [];

  beforeEach(async () => {
    heardByServer = '';
    link = new Link();
    // Answers each message with the same, in capitals.
    server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        heardByServer += chunk.toString();
        socket.write(chunk.toString().toUpperCase());
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('it listens on a port');
    door = await openDoor({ port: address.port, name: 'server', linkOf: () => ({ link, from: 'client' }) });
  });
  afterEach(() => {
    door.close();
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
  });

  const dial = (): { readonly socket: Socket; readonly heard: () => string; readonly closed: Promise<unknown> } => {
    const socket = connect(door.port, '127.0.0.1');
    sockets.push(socket);
    let heard = '';
    socket.on('data', (chunk) => (heard += chunk.toString()));
    socket.on('error', () => undefined);
    return { socket, heard: () => heard, closed: new Promise((resolve) => socket.once('close', resolve)) };
  };
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const aWhile = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, A_WHILE));

  it('carries both ways', async () => {
    const { socket, heard } = dial();
    socket.write('a');
    await until(() => heard() === 'A');
    socket.write('b');
    await until(() => heard() === 'AB');
  });

  it('that is held keeps everything, and delivers it late', async () => {
    const { socket, heard } = dial();
    socket.write('a');
    await until(() => heard() === 'A');
    link.set({ held: 'all' });
    socket.write('b');
    await aWhile();
    expect(heardByServer).toBe('a');
    link.set({});
    await until(() => heard() === 'AB');
  });

  it('that is held one way carries the other', async () => {
    const { socket, heard } = dial();
    link.set({ held: 'client' });
    socket.write('a');
    await until(() => heardByServer === 'a');
    await aWhile();
    expect(heard()).toBe('');
    link.set({});
    await until(() => heard() === 'A');
  });

  it('that drops replies carries requests, and ends the connection when it is healed', async () => {
    const { socket, heard, closed } = dial();
    link.set({ dropped: 'client' });
    socket.write('a');
    await until(() => heardByServer === 'a');
    await aWhile();
    link.set({});
    await closed;
    expect(heard()).toBe('');
  });

  it('that is cut ends its connections and refuses new ones', async () => {
    const first = dial();
    first.socket.write('a');
    await until(() => first.heard() === 'A');
    link.set({ cut: true });
    await first.closed;
    const second = dial();
    second.socket.write('b');
    await second.closed;
    expect(heardByServer).toBe('a');
  });

  it('that is slow keeps the order', async () => {
    const { socket, heard } = dial();
    link.set({ delay: 5, jitter: 20 });
    for (const letter of 'abcdefgh') {
      socket.write(letter);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await until(() => heard().length === 8);
    expect(heard()).toBe('ABCDEFGH');
  });

  it('tells the client that the server went away', async () => {
    const { socket, heard, closed } = dial();
    socket.write('a');
    await until(() => heard() === 'A');
    for (const each of sockets) if (each !== socket) each.destroy();
    await closed;
  });

  it('to a server that is not there ends at once', async () => {
    server.close();
    const { socket, closed } = dial();
    socket.write('a');
    await closed;
  });
});
