/**
 * A call with one request and one answer, as a cold Observable. Unsubscribing cancels it on the server, too.
 */
import { Observable } from 'rxjs';
import type { Subscriber } from 'rxjs';
import { later, untilDeadline } from '../../../time/clock.js';
import type { CallOff } from '../../../time/clock.js';
import { Call } from './call.js';
import type { Listener } from './call.js';
import type { Channel } from './channel.js';
import { RpcError } from './rpc-error.js';
import { decoded, encoded } from './rpcs.js';
import type { Rpc } from './rpcs.js';

/** As in grpc-js: the instant on the wall clock at which the call times out. */
export interface CallOptions {
  readonly deadline: number;
}

export const unary = <Request, Response>(
  channel: Channel,
  rpc: Rpc<Request, Response>,
  request: Request,
  { deadline }: CallOptions,
  token?: string,
): Observable<Response> =>
  new Observable((subscriber) => {
    const one = new Unary(channel, rpc, encoded(channel.writer, rpc, request), deadline, token, subscriber);
    one.begin();
    return one;
  });

class Unary<Request, Response> implements Listener {
  readonly #channel: Channel;
  readonly #rpc: Rpc<Request, Response>;
  readonly #frame: Buffer;
  readonly #within: number;
  readonly #token: string | undefined;
  readonly #subscriber: Subscriber<Response>;
  readonly #tooLate: CallOff;
  #call: Call | undefined;
  #answer: Buffer | undefined;
  #isRepeated = false;

  constructor(
    channel: Channel,
    rpc: Rpc<Request, Response>,
    frame: Buffer,
    deadline: number,
    token: string | undefined,
    subscriber: Subscriber<Response>,
  ) {
    this.#channel = channel;
    this.#rpc = rpc;
    this.#frame = frame;
    this.#within = Math.max(0, untilDeadline(deadline));
    this.#token = token;
    this.#subscriber = subscriber;
    this.#tooLate = later(this.#within, () => this.#expired());
  }

  begin(): void {
    const call = new Call(this.#rpc.path, { token: this.#token, timeout: this.#within }, this);
    this.#call = call;
    call.write(this.#frame);
    call.end();
    call.start(this.#channel);
  }

  unsubscribe(): void {
    this.#tooLate();
    this.#call?.cancel();
  }

  message(message: Buffer): void {
    if (this.#answer) return this.#failed(new RpcError('INTERNAL', 'the server sent two answers to one request'));
    this.#answer = message;
  }

  ended(failure: RpcError | undefined): void {
    if (failure?.isUnsent && !this.#isRepeated) {
      // The server has not begun with the call. gRPC also repeats such a call once.
      this.#isRepeated = true;
      return this.begin();
    }
    if (failure) return this.#failed(failure);
    if (!this.#answer) return this.#failed(new RpcError('INTERNAL', 'the server answered OK without a message'));
    let answer: Response;
    try {
      answer = decoded(this.#rpc, this.#answer);
    } catch (error) {
      return this.#failed(error);
    }
    this.#tooLate();
    this.#subscriber.next(answer);
    this.#subscriber.complete();
  }

  #expired(): void {
    this.#failed(new RpcError('DEADLINE_EXCEEDED', `no answer within ${Math.round(this.#within)} ms`));
  }

  #failed(error: unknown): void {
    this.unsubscribe();
    this.#subscriber.error(error);
  }
}
