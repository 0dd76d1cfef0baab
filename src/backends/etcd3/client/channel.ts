/**
 * The way to one host: a connection that is made when it is needed, and made again.
 */
import { Connection } from './connection.js';
import type { Caller, Dial } from './connection.js';
import type { Host } from './hosts.js';
import { Writer } from './wire.js';

export class Channel {
  readonly host: Host;
  /** Requests are written one after another. */
  readonly writer = new Writer();
  readonly #dial: Dial;
  #current: Connection | undefined;

  constructor(host: Host, dial: Dial) {
    this.host = host;
    this.#dial = dial;
  }

  /** The connection of now. Each failure is told to whoever waits, and the next one who asks tries again. */
  admit(caller: Caller): Connection {
    let current = this.#current;
    if (!current?.isUsable) this.#current = current = new Connection(this.host, this.#dial);
    current.admit(caller);
    return current;
  }

  /** What is under way ends by itself, and the connection with it. */
  close(): void {
    this.#current?.retire();
    this.#current = undefined;
  }
}
