/**
 * What every part of the engine stands on: one object for each `Locks`, made in locks.ts.
 */
import type { LockEvent } from '../api/events.js';
import type { Settings } from '../api/options.js';
import type { WholeQueueBackend } from '../backend/defaults.js';
import type { AsyncContext } from '../platform/platform.js';
import type { Timing } from '../rules/timing.js';
import type { Time } from '../time/clock.js';
import type { Connection } from './connection.js';
import type { Background } from './io/background.js';
import type { Deadlines } from './io/deadlines.js';
import type { Limiter } from './io/limiter.js';

export interface Runtime {
  /** The server. One with slots is adapted: slot/slot-backend.ts. What a backend left out has its default. */
  readonly backend: WholeQueueBackend;
  readonly settings: Settings;
  /** Of the lease as it was granted last; before the first grant, as asked for. */
  timing: Timing;
  readonly time: Time;
  readonly deadlines: Deadlines;
  readonly background: Background;
  /** Limits how many requests to queue are under way. */
  readonly limiter: Limiter;
  /** Whether the server answers. */
  readonly connection: Connection;
  /**
   * Where all is sent that the server is asked: a connection or a watch that is opened on the way serves everybody, and
   * must not keep the context of the request that came first.
   */
  readonly context: AsyncContext;
  report(event: LockEvent): void;
}
