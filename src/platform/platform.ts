/**
 * What the core asks of the machine it runs on. `#platform` is the file for Node or the one for everywhere else,
 * chosen by the `imports` of package.json; both export a `platform`.
 */

/** Runs what it is given in the async context in which it was made. */
export type AsyncContext = <T>(work: () => T) => T;

/** A channel of `node:diagnostics_channel`: who listens is told at once, and what it throws is not ours. */
export interface Channel {
  readonly hasSubscribers: boolean;
  publish(message: object): void;
  /** Publishes, and works in the async stores that were bound to the channel. */
  runStores<T>(message: object, work: () => T): T;
}

export interface Platform {
  /** Tells this process from others, for people: `host:pid` where there are such. */
  processLabel(): string;
  /** 63 random bits that nobody can guess, or else nobody else will hit on. */
  random63(): bigint;
  /** Milliseconds since an arbitrary instant, sleep included and never set; nothing where it cannot be read finely enough. */
  readonly bootTime: (() => number) | undefined;
  /** The async context (`AsyncLocalStorage`) of the caller, to be entered again later. */
  captureContext(): AsyncContext;
  /** The channel of that name, the same one for the whole process. */
  channel(name: string): Channel;
}
