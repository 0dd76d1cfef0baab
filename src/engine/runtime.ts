/**
 * What every part of the engine needs: one object for each `Locks`, made in locks.ts.
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
  /**
   * The server. A slot backend is adapted (slot/slot-backend.ts); optional verbs that a backend left out have defaults.
   */
  readonly backend: WholeQueueBackend;
  readonly settings: Settings;
  /** The timing of the latest granted lease; before the first grant, that of the requested ttl. */
  timing: Timing;
  readonly time: Time;
  readonly deadlines: Deadlines;
  readonly background: Background;
  /** Limits how many requests to queue are under way. */
  readonly limiter: Limiter;
  /** Whether the server answers. */
  readonly connection: Connection;
  /**
   * The async context in which all requests are sent. A connection or a watch that a request opens serves everybody,
   * and must not keep the context of that one request.
   */
  readonly context: AsyncContext;
  report(event: LockEvent): void;
}
