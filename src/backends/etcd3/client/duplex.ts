/**
 * A bidirectional streaming call, in the shape of npm etcd3.
 */
import { Call } from './call.js';
import type { Listener, Metadata } from './call.js';
import type { Channel } from './channel.js';
import type { RpcError } from './rpc-error.js';
import { decoded, encoded } from './rpcs.js';
import type { Rpc } from './rpcs.js';

/** Emits `data` for each message, then either `error` or `end`. */
export interface DuplexStream<Request, Response> {
  on(event: 'data', listener: (response: Response) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  write(request: Request): unknown;
  /** Ends our side: no more messages will be written. */
  end(): unknown;
  /** Cancels the call: no more events. */
  cancel(): unknown;
}

/** @param saw called with each message and with the failure, before the listeners */
export function duplex<Request, Response>(
  channel: Channel,
  rpc: Rpc<Request, Response>,
  metadata: Metadata,
  saw: (heard: Response | RpcError) => void = () => undefined,
): DuplexStream<Request, Response> {
  const stream = new Duplex(channel, rpc, metadata, saw);
  stream.begin();
  return stream;
}

class Duplex<Request, Response> implements DuplexStream<Request, Response>, Listener {
  readonly #channel: Channel;
  readonly #rpc: Rpc<Request, Response>;
  readonly #saw: (heard: Response | RpcError) => void;
  readonly #call: Call;
  #data: (response: Response) => void = () => undefined;
  #error: ((error: Error) => void) | undefined;
  #end: (() => void) | undefined;
  /** How it ended, for listeners that are added later. */
  #ended: { readonly failure: Error | undefined } | undefined;

  constructor(
    channel: Channel,
    rpc: Rpc<Request, Response>,
    metadata: Metadata,
    saw: (heard: Response | RpcError) => void,
  ) {
    this.#channel = channel;
    this.#rpc = rpc;
    this.#saw = saw;
    this.#call = new Call(rpc.path, metadata, this);
  }

  begin(): void {
    this.#call.start(this.#channel);
  }

  on(event: 'data' | 'error' | 'end', listener: (told: never) => void): this {
    // The overloads of the interface ensure that each event has the right listener.
    if (event === 'data') this.#data = listener as (response: Response) => void;
    else if (event === 'error') this.#error = listener as (error: Error) => void;
    else this.#end = listener as () => void;
    if (this.#ended && event !== 'data') this.#tell();
    return this;
  }

  write(request: Request): void {
    this.#call.write(encoded(this.#channel.writer, this.#rpc, request));
  }

  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }

  message(message: Buffer): void {
    const response = decoded(this.#rpc, message);
    this.#saw(response);
    this.#data(response);
  }

  ended(failure: RpcError | undefined): void {
    if (failure) this.#saw(failure);
    this.#ended = { failure };
    this.#tell();
  }

  #tell(): void {
    const failure = this.#ended?.failure;
    if (failure) this.#error?.(failure);
    else this.#end?.();
  }
}
