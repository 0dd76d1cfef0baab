/**
 * The channels of `node:diagnostics_channel`: events for subscribers in this process. Without subscribers, a contention
 * only checks each channel for them.
 */
import { platform } from '#platform';
import type { Channel } from '../platform/platform.js';
import type {
  AcquireMessage,
  AcquireOutcome,
  HoldMessage,
  OutageMessage,
  RenewalMessage,
  Speaker,
} from '../api/channels.js';
import { LockLostError } from '../api/errors.js';
import type { LockEvent, WithdrawnReason } from '../api/events.js';
import { unwrapped } from './aborts.js';
import type { LocksRuntime } from './locks-runtime.js';
import type { LockTarget } from './target.js';

/** The five channels that Node calls a TracingChannel. */
interface TracingChannel {
  readonly start: Channel;
  readonly end: Channel;
  readonly asyncStart: Channel;
  readonly asyncEnd: Channel;
  readonly error: Channel;
}

// Channels belong to the process and are found by name: two copies of the package publish on the same channels.
const tracingChannel = (name: string): TracingChannel => {
  const channel = (event: string): Channel => platform.channel(`tracing:${name}:${event}`);
  return {
    start: channel('start'),
    end: channel('end'),
    asyncStart: channel('asyncStart'),
    asyncEnd: channel('asyncEnd'),
    error: channel('error'),
  };
};

const ACQUIRE = tracingChannel('rxlock:acquire');
const HOLD = tracingChannel('rxlock:hold');
const RENEWAL = platform.channel('rxlock:renewal');
const OUTAGE = platform.channel('rxlock:outage');

const isHeard = ({ start, end, asyncStart, asyncEnd, error }: TracingChannel): boolean =>
  start.hasSubscribers ||
  asyncEnd.hasSubscribers ||
  error.hasSubscribers ||
  asyncStart.hasSubscribers ||
  end.hasSubscribers;

/** A message while its fields are being filled in. */
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Publishes a renewal or an outage, if the channel has subscribers. */
export function sayEvent(event: LockEvent, speaker: Speaker): void {
  if (event.type === 'renewed' || event.type === 'renewal-failed') {
    if (RENEWAL.hasSubscribers) RENEWAL.publish({ ...event, ...speaker } satisfies RenewalMessage);
  } else if (event.type === 'connected' || event.type === 'disconnected') {
    if (OUTAGE.hasSubscribers) OUTAGE.publish({ ...event, ...speaker } satisfies OutageMessage);
  }
}

/** The trace of a contention; `undefined` if the channels have no subscribers. */
export const traced = (runtime: LocksRuntime, target: LockTarget, wait: number): ContentionTrace | undefined =>
  isHeard(ACQUIRE) || isHeard(HOLD) ? new ContentionTrace(runtime, target, wait) : undefined;

/** Publishes the messages of one contention, from its subscription to its end. */
export class ContentionTrace {
  readonly #now: () => number;
  readonly #started: number;
  readonly #acquire: Writable<AcquireMessage>;
  #heldSince = 0;
  #hold: Writable<HoldMessage> | undefined;

  constructor({ time, settings }: LocksRuntime, { key, keys, specs }: LockTarget, wait: number) {
    const [spec, ...others] = specs;
    this.#now = () => time.now();
    this.#started = time.now();
    const kind = spec === undefined || others.length > 0 ? 'all' : spec.kind;
    this.#acquire = { key, keys, kind, owner: settings.owner, wait };
  }

  /** Runs `contend` in the stores that a tracer has bound to the channel. */
  begin(contend: () => void): void {
    started(ACQUIRE, this.#acquire, contend);
  }

  /**
   * The lock is held. Runs `tell` in the stores that a tracer has bound to the channel, so that spans made under the
   * lock find their parent.
   */
  held(fencingToken: bigint, tell: () => void): void {
    this.#waited('acquired');
    const { key, keys, kind, owner } = this.#acquire;
    this.#heldSince = this.#now();
    this.#hold = { key, keys, kind, owner, acquire: this.#acquire, fencingToken };
    started(HOLD, this.#hold, tell);
  }

  /** The contender gave up. */
  withdrawn(reason: WithdrawnReason, cause: unknown): void {
    this.#waited(reason, cause);
  }

  /** The hold is over: lost or released. */
  endHold(error: unknown): void {
    const hold = this.#hold;
    if (!hold || hold.outcome) return;
    hold.heldFor = this.#now() - this.#heldSince;
    hold.outcome = error instanceof LockLostError ? 'lost' : 'released';
    if (error !== undefined) hold.error = unwrapped(error);
    if (error instanceof LockLostError) hold.reason = error.reason;
    ended(HOLD, hold, hold.outcome === 'lost');
  }

  #waited(outcome: AcquireOutcome, error?: unknown): void {
    const acquire = this.#acquire;
    if (acquire.outcome) return;
    acquire.outcome = outcome;
    acquire.waitedFor = this.#now() - this.#started;
    if (error !== undefined) acquire.error = error;
    ended(ACQUIRE, acquire, error !== undefined);
  }
}

/** In the order of Node's `TracingChannel.tracePromise`. */
function started(channel: TracingChannel, message: object, work: () => void): void {
  try {
    channel.start.runStores(message, work);
  } finally {
    channel.end.publish(message);
  }
}

function ended(channel: TracingChannel, message: object, isFailure: boolean): void {
  if (isFailure) channel.error.publish(message);
  channel.asyncStart.publish(message);
  channel.asyncEnd.publish(message);
}
