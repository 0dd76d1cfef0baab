/**
 * TCP links that fail on demand. A door is a port in front of a server; each connection through it belongs to a link,
 * and a link can be held (packets are lost for a while: what was sent arrives late), cut (reset and refused), slowed,
 * and made to drop what goes one way.
 */
import { connect, createServer } from 'node:net';
import { now } from './clock.mjs';

/**
 * @typedef {object} Trouble
 * @property {string} [held] `all`, or the end towards which nothing gets through for now
 * @property {string} [dropped] the end towards which everything is thrown away; the connections end with the trouble
 * @property {boolean} [cut] connections are reset, new ones refused
 * @property {number} [delay] milliseconds
 * @property {number} [jitter] up to so many milliseconds more
 */

/** A way between two ends, with all connections on it. */
export class Link {
  /** @type {Trouble} */
  #trouble = {};
  /** @type {Set<Connection>} */
  #connections = new Set();

  /** @returns {Trouble} */
  get trouble() {
    return this.#trouble;
  }

  /** @param {Trouble} trouble none heals it */
  set(trouble) {
    const before = this.#trouble;
    this.#trouble = trouble;
    // A stream with a hole in it cannot go on.
    if (trouble.cut || before.dropped) for (const connection of [...this.#connections]) connection.reset();
    for (const connection of this.#connections) connection.flush();
  }

  /** @param {Connection} connection */
  add(connection) {
    if (this.#trouble.cut) return connection.reset();
    this.#connections.add(connection);
  }

  /** @param {Connection} connection */
  delete(connection) {
    this.#connections.delete(connection);
  }
}

/** What goes one way on a connection, in order. */
class Flow {
  #link;
  #to;
  #towards;
  #queue = [];
  #lastDue = 0;
  #timer;

  constructor(link, to, towards) {
    this.#link = link;
    this.#to = to;
    this.#towards = towards;
  }

  /** @param {Buffer | undefined} chunk none is the end */
  push(chunk) {
    const { delay = 0, jitter = 0 } = this.#link.trouble;
    this.#lastDue = Math.max(this.#lastDue, now() + delay + Math.random() * jitter);
    this.#queue.push({ chunk, due: this.#lastDue });
    this.flush();
  }

  flush() {
    clearTimeout(this.#timer);
    while (this.#queue.length > 0) {
      const { held, dropped } = this.#link.trouble;
      if (held === 'all' || held === this.#towards) return;
      const [{ chunk, due }] = this.#queue;
      const early = due - now();
      if (early > 0) {
        this.#timer = setTimeout(() => this.flush(), early);
        return;
      }
      this.#queue.shift();
      if (chunk === undefined) this.#to.destroySoon();
      else if (dropped !== this.#towards) this.#to.write(chunk);
    }
  }

  stop() {
    clearTimeout(this.#timer);
    this.#queue = [];
  }
}

class Connection {
  #sockets;
  #flows;
  #link;

  /** Both ends of it, each with the name that the link knows it by. */
  constructor(link, [dialer, dialerName], [server, serverName]) {
    this.#link = link;
    this.#sockets = [dialer, server];
    const there = new Flow(link, server, serverName);
    const back = new Flow(link, dialer, dialerName);
    this.#flows = [there, back];
    this.there = there;
    server.on('data', (chunk) => back.push(chunk));
    server.once('close', () => back.push(undefined));
    dialer.once('close', () => there.push(undefined));
    let open = 2;
    for (const socket of this.#sockets) {
      socket.once('close', () => {
        open -= 1;
        if (open > 0) return;
        for (const flow of this.#flows) flow.stop();
        link.delete(this);
      });
    }
    link.add(this);
  }

  flush() {
    for (const flow of this.#flows) flow.flush();
  }

  reset() {
    for (const flow of this.#flows) flow.stop();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#link.delete(this);
  }
}

/**
 * Opens a door in front of a server.
 *
 * @param {object} given
 * @param {number} given.port of the server
 * @param {string} given.name of the server
 * @param {(head: string) => { link: Link, from: string } | undefined} given.linkOf by what a dialer says first; asked
 *   again with more until it knows
 * @returns {Promise<{ port: number, close: () => void }>}
 */
export async function openDoor({ port, name, linkOf }) {
  const sockets = new Set();
  const track = (socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    // An error is followed by `close`, which is what counts here.
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
  const door = createServer((accepted) => {
    const dialer = track(accepted);
    let head = '';
    let connection;
    dialer.on('data', (chunk) => {
      if (!connection) {
        head += chunk.toString('latin1');
        const known = linkOf(head);
        if (!known) return;
        const server = track(connect(port, '127.0.0.1'));
        connection = new Connection(known.link, [dialer, known.from], [server, name]);
        connection.there.push(Buffer.from(head, 'latin1'));
        return;
      }
      connection.there.push(chunk);
    });
  });
  await new Promise((resolve, reject) => {
    door.once('error', reject);
    door.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: door.address().port,
    close() {
      door.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
