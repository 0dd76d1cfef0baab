/**
 * The connection to one host: made when it is needed, and replaced when it fails.
 */
import { Connection } from './connection.js';
import type { Caller, Dial } from './connection.js';
import type { Host } from './hosts.js';
import { Writer } from './wire.js';

export class Channel {
  readonly host: Host;
  /** Shared, since requests are encoded one after another. */
  readonly writer = new Writer();
  readonly #dial: Dial;
  #current: Connection | undefined;

  constructor(host: Host, dial: Dial) {
    this.host = host;
    this.#dial = dial;
  }

  /** The current connection. A failure is reported to the waiting calls; the next call makes a new connection. */
  admit(caller: Caller): Connection {
    let current = this.#current;
    if (!current?.isUsable) this.#current = current = new Connection(this.host, this.#dial);
    current.admit(caller);
    return current;
  }

  /** Running calls end by themselves; after the last one the connection closes. */
  close(): void {
    this.#current?.retire();
    this.#current = undefined;
  }
}
