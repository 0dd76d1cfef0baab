/**
 * One HTTP/2 connection to one host, by Node's own client.
 *
 * It sends no pings: etcd closes connections that ping more often than every five seconds. Instead, a connection on
 * which nothing arrived while a call timed out is not used for the next call. That detects a dead connection sooner,
 * and costs nothing.
 */
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Socket } from 'node:net';
import { later, monotonic } from '../../../time/clock.js';
import type { Host } from './hosts.js';
import type { Reach } from './options.js';
import { RpcError } from './rpc-error.js';

/** A call that waits for the connection. */
export interface Caller {
  connected(connection: Connection): void;
  failed(error: RpcError): void;
}

export type Dial = Pick<Reach, 'secureContext' | 'serverName' | 'dialTimeout'>;

/** Bytes that the server may send on a stream before they are read. */
const STREAM_WINDOW = 1 << 20;
const WINDOW = 4 << 20;

/**
 * MB. Node refuses streams while a session uses more memory than this. The default of 10 is only seven large requests.
 */
const SESSION_MEMORY = 1024;

/**
 * Milliseconds. If a call is given up after this time without a byte from the server, the connection is not used any
 * more.
 */
const SILENCE = 250;

/** Milliseconds. Keeps NAT entries alive, and detects a dead idle connection. */
const TCP_KEEP_ALIVE = 15_000;

export class Connection {
  readonly host: Host;
  readonly #session: ClientHttp2Session;
  readonly #waiting = new Set<Caller>();
  #streams = 0;
  #isConnected = false;
  #isRetired = false;
  #isOver = false;
  #heardAt = monotonic();
  #failure: RpcError | undefined;

  constructor(host: Host, dial: Dial) {
    this.host = host;
    const settings = { enablePush: false, initialWindowSize: STREAM_WINDOW };
    this.#session = connectHttp2(`${host.isSecure ? 'https' : 'http'}://etcd`, {
      createConnection: () => socketTo(host, dial),
      maxSessionMemory: SESSION_MEMORY,
      settings,
    });
    const tooLong = later(dial.dialTimeout, () =>
      this.#session.destroy(new Error(`no connection within ${dial.dialTimeout} ms`)),
    );
    this.#session.once('connect', () => {
      tooLong();
      this.#connected();
    });
    this.#session.on('error', (error: Error) => this.#broken(error));
    this.#session.on('goaway', () => this.retire());
    this.#session.once('close', () => {
      tooLong();
      this.#over();
    });
  }

  /** Whether it takes another call. */
  get isUsable(): boolean {
    return !this.#isRetired && !this.#isOver;
  }

  get isOver(): boolean {
    return this.#isOver || this.#session.destroyed;
  }

  /** The error for the calls that end with it. */
  failure(error?: Error): RpcError {
    return this.#failure ?? lost(this.host, error);
  }

  /** Calls `connected` once it is connected; at once if it is connected already. */
  admit(caller: Caller): void {
    if (this.#isConnected) return caller.connected(this);
    this.#waiting.add(caller);
    this.#keepAwake();
  }

  dismiss(caller: Caller): void {
    if (this.#waiting.delete(caller)) this.#keepAwake();
  }

  /** Throws if the session takes no more streams. */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.#session.request(headers);
    this.#streams += 1;
    if (this.#streams === 1) this.#keepAwake();
    stream.once('close', () => {
      this.#streams -= 1;
      if (this.#streams === 0) this.#keepAwake();
    });
    return stream;
  }

  heard(): void {
    this.#heardAt = monotonic();
  }

  /** A call that was sent at that time was given up. */
  gaveUp(sentAt: number): void {
    if (this.#heardAt <= sentAt && monotonic() - sentAt >= SILENCE) this.retire();
  }

  /** Takes no more calls, and closes after the running ones. */
  retire(): void {
    this.#isRetired = true;
    this.#keepAwake();
  }

  #connected(): void {
    const { host } = this;
    // The connection was reset before this turn: 'close' follows, and a destroyed session accepts no settings.
    if (this.#session.destroyed) return;
    if (host.isSecure && this.#session.alpnProtocol !== 'h2') {
      this.#session.destroy(new Error('the server does not speak HTTP/2'));
      return;
    }
    this.#isConnected = true;
    this.#session.setLocalWindowSize(WINDOW);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const caller of waiting) caller.connected(this);
    this.#keepAwake();
  }

  #broken(error: Error): void {
    this.#failure ??= lost(this.host, error);
    this.#isRetired = true;
  }

  #over(): void {
    this.#isOver = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const caller of waiting) caller.failed(this.failure());
  }

  /** Only running and waiting calls keep the process alive. A retired connection closes after its last call. */
  #keepAwake(): void {
    const isIdle = this.#streams === 0 && this.#waiting.size === 0;
    if (this.isOver) return;
    if (!isIdle) this.#session.ref();
    else if (this.#isRetired) this.#session.destroy();
    else this.#session.unref();
  }
}

function socketTo(host: Host, { secureContext, serverName }: Dial): Socket {
  const { hostname, port } = host;
  const to = { host: hostname, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE };
  if (!host.isSecure) return connectTcp(to);
  // SNI takes names only, no IP addresses (RFC 6066, section 3).
  const name = serverName ?? (isIP(hostname) === 0 ? hostname : undefined);
  return connectTls({
    ...to,
    ALPNProtocols: ['h2'],
    ...(secureContext && { secureContext }),
    ...(name !== undefined && { servername: name }),
  });
}

function lost({ authority }: Host, error?: Error): RpcError {
  const details = error ? `${worded(error)} (${authority})` : `the connection to ${authority} was lost`;
  return new RpcError('UNAVAILABLE', details, { cause: error });
}

/** The message of an error. Node's error for a name with several addresses has none. */
const worded = (error: Error): string => {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map((one) => (one instanceof Error ? one.message : String(one))).join(', ');
  }
  if ('code' in error && error.code === 'ERR_HTTP2_ERROR') {
    return `${error.message}: does the server speak HTTP/2, and without TLS?`;
  }
  return error.message;
};
