/**
 * One gRPC call on one HTTP/2 stream: messages in both directions, and one end
 * (github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 */
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { monotonic } from '../../../time/clock.js';
import type { Channel } from './channel.js';
import type { Caller, Connection } from './connection.js';
import { Deframer } from './frame.js';
import { RpcError, failureOf, failureOfHttp, failureOfReset } from './rpc-error.js';

/** Receives the messages and the end of a call. */
export interface Listener {
  message(message: Buffer): void;
  /** Called once, unless the call was cancelled; `undefined` if the server says OK. */
  ended(failure: RpcError | undefined): void;
}

/** The headers of a call. */
export interface Metadata {
  readonly token?: string | undefined;
  /** The timeout for the server, milliseconds. */
  readonly timeout?: number | undefined;
  /** The member must refuse or end the call while it has no leader. */
  readonly hasLeader?: boolean;
}

/**
 * The largest message that is accepted, as usual in gRPC. Node may buffer this much for each call with a partial
 * answer.
 */
const MOST_BYTES = 4 << 20;

const CANCEL = 8;
const OUT_OF_STREAMS = 'ERR_HTTP2_OUT_OF_STREAMS';

export class Call implements Caller {
  readonly #path: string;
  readonly #metadata: Metadata;
  readonly #listener: Listener;
  readonly #deframer = new Deframer(MOST_BYTES);
  /** The messages that were written before the stream was open. */
  #unsent: Buffer[] = [];
  #isHalfClosed = false;
  #connection: Connection | undefined;
  #stream: ClientHttp2Stream | undefined;
  /** When a message was written that may still wait for an answer. */
  #sentAt: number | undefined;
  #status: { readonly failure: RpcError | undefined } | undefined;
  #error: Error | undefined;
  #messages = 0;
  #isOver = false;

  constructor(path: string, metadata: Metadata, listener: Listener) {
    this.#path = path;
    this.#metadata = metadata;
    this.#listener = listener;
  }

  start(channel: Channel): void {
    const connection = channel.admit(this);
    // If the channel is connected, `connected` has been called by now.
    this.#connection ??= connection;
  }

  connected(connection: Connection): void {
    this.#connection = connection;
    let stream: ClientHttp2Stream;
    try {
      stream = connection.request(this.#headers(connection));
    } catch (error) {
      connection.retire();
      return this.#end(new RpcError('UNAVAILABLE', 'no call can be made', { cause: error, isUnsent: true }));
    }
    this.#stream = stream;
    stream.on('response', (headers) => this.#headed(headers));
    stream.on('data', (piece: Buffer) => this.#received(piece));
    stream.on('trailers', (trailers: IncomingHttpHeaders) => this.#told(trailers));
    stream.on('error', (error: Error) => {
      this.#error = error;
    });
    stream.on('end', () => this.#drained());
    stream.once('close', () => this.#closed());
    const unsent = this.#unsent;
    this.#unsent = [];
    if (unsent.length > 0) this.#sentAt = monotonic();
    const last = this.#isHalfClosed ? unsent.pop() : undefined;
    for (const frame of unsent) stream.write(frame);
    if (this.#isHalfClosed) stream.end(last);
  }

  failed(error: RpcError): void {
    this.#end(error);
  }

  write(frame: Buffer): void {
    if (this.#isOver) return;
    if (!this.#stream) this.#unsent.push(frame);
    else if (!this.#stream.writableEnded) {
      this.#sentAt ??= monotonic();
      this.#stream.write(frame);
    }
  }

  /** Ends our side: no more messages will be written. */
  end(): void {
    if (this.#isOver || this.#isHalfClosed) return;
    this.#isHalfClosed = true;
    this.#stream?.end();
  }

  /** Cancels the call: the listener is not called any more. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#sentAt !== undefined) this.#connection?.gaveUp(this.#sentAt);
    this.#leave();
  }

  #headers({ host }: Connection): Record<string, string> {
    const { token, timeout, hasLeader } = this.#metadata;
    const headers: Record<string, string> = {
      ':method': 'POST',
      ':scheme': host.isSecure ? 'https' : 'http',
      ':authority': host.authority,
      ':path': this.#path,
      te: 'trailers',
      'content-type': 'application/grpc',
      'user-agent': 'rxlock',
    };
    if (timeout !== undefined && timeout < LONGEST_TIMEOUT) headers['grpc-timeout'] = `${Math.ceil(timeout)}m`;
    if (token !== undefined) headers['token'] = token;
    if (hasLeader) headers['hasleader'] = 'true';
    return headers;
  }

  #headed(headers: IncomingHttpHeaders & { ':status'?: number | undefined }): void {
    this.#heard();
    const status = headers[':status'];
    if (headers['grpc-status'] !== undefined) this.#told(headers);
    else if (status !== 200) this.#end(failureOfHttp(status));
  }

  #received(piece: Buffer): void {
    if (this.#isOver) return;
    this.#heard();
    try {
      this.#deframer.push(piece, (message) => {
        if (this.#isOver) return;
        this.#messages += 1;
        this.#listener.message(message);
      });
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      this.#end(error);
    }
  }

  #told(trailers: IncomingHttpHeaders): void {
    const failure = failureOf(trailers['grpc-status'], trailers['grpc-message']);
    this.#status = { failure };
    // For a single request, one answer completes the call; otherwise messages may still be in the stream.
    if (failure) this.#end(failure);
    else if (this.#stream?.readableEnded || (this.#isHalfClosed && this.#messages > 0)) this.#drained();
  }

  /** Everything that the server sent has been read. */
  #drained(): void {
    if (!this.#status) return;
    if (this.#deframer.isWhole) this.#end(this.#status.failure);
    else this.#end(new RpcError('INTERNAL', 'the answer ends in the middle of a message'));
  }

  #closed(): void {
    if (this.#isOver) return;
    if (this.#status) return this.#drained();
    const connection = this.#connection;
    if (this.#error && 'code' in this.#error && this.#error.code === OUT_OF_STREAMS) {
      connection?.retire();
      return this.#end(new RpcError('UNAVAILABLE', 'the connection takes no more calls', { isUnsent: true }));
    }
    const reset = failureOfReset(this.#stream?.rstCode);
    if (reset.isUnsent || !connection?.isOver) return this.#end(reset);
    this.#end(connection.failure(this.#error));
  }

  #heard(): void {
    this.#sentAt = undefined;
    this.#connection?.heard();
  }

  #end(failure: RpcError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#leave();
    this.#listener.ended(failure);
  }

  #leave(): void {
    this.#connection?.dismiss(this);
    const stream = this.#stream;
    // A stream that both sides have ended closes by itself.
    if (stream && !stream.closed && !(this.#status && stream.writableEnded)) stream.close(CANCEL);
  }
}

/** The header of gRPC has eight digits. */
const LONGEST_TIMEOUT = 99_999_999;
