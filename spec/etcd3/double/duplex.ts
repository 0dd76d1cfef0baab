/**
 * A stream of gRPC without its network: what one side writes is taken at the next turn, in order.
 */
import type { DuplexStream } from '../../../src/backends/etcd3/client/duplex.js';

export abstract class Stream<Request, Response> implements DuplexStream<Request, Response> {
  /** For whoever looks at how it was used. */
  readonly written: Request[] = [];
  isEnded = false;
  isCancelled = false;
  #data: (response: Response) => void = () => undefined;
  #error: (error: Error) => void = () => undefined;
  #end: () => void = () => undefined;
  #isOver = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  on(event: string, listener: (told: never) => void): this {
    // The overloads of the interface say which listener goes with which event.
    if (event === 'data') this.#data = listener as (response: Response) => void;
    else if (event === 'error') this.#error = listener as (error: Error) => void;
    else if (event === 'end') this.#end = listener as () => void;
    return this;
  }

  write(request: Request): void {
    this.written.push(request);
    setImmediate(() => {
      if (!this.#isOver) this.asked(request);
    });
  }

  end(): void {
    this.isEnded = true;
  }

  cancel(): void {
    this.isCancelled = true;
    this.#isOver = true;
    this.closed();
  }

  protected abstract asked(request: Request): void;
  protected abstract closed(): void;

  says(response: Response): void {
    setImmediate(() => {
      if (!this.#isOver) this.#data(response);
    });
  }

  /** The network, or the server, breaks it off; without an error it ends. */
  breaks(error?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.closed();
    if (error) this.#error(error);
    else this.#end();
  }
}
