/**
 * What the core needs from its runtime. `#platform` is node.ts or web.ts, chosen by the `imports` of package.json; both
 * export a `platform`.
 */

/** Runs a function in the async context in which this one was captured. */
export type AsyncContext = <T>(work: () => T) => T;

/**
 * A channel of `node:diagnostics_channel`: subscribers are called synchronously, and their errors do not reach the
 * publisher.
 */
export interface Channel {
  readonly hasSubscribers: boolean;
  publish(message: object): void;
  /** Publishes the message, and runs the work in the async stores that are bound to the channel. */
  runStores<T>(message: object, work: () => T): T;
}

export interface Platform {
  /** A label for this process, for people: `host:pid` on Node. */
  processLabel(): string;
  /** 63 random bits from a cryptographic source, so that no other process gets the same. */
  random63(): bigint;
  /**
   * Milliseconds since an arbitrary instant, sleep included; cannot be set. `undefined` if the runtime has no such
   * clock of fine grain.
   */
  readonly bootTime: (() => number) | undefined;
  /** Captures the async context (`AsyncLocalStorage`) of the caller. */
  captureContext(): AsyncContext;
  /** The channel of that name: one for the whole process. */
  channel(name: string): Channel;
}
