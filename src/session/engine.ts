/**
 * What every part of the engine stands on, made once per `Locks`.
 */
import type { Time } from '../core/clock.js';
import type { LockEvent } from '../core/events.js';
import type { Settings } from '../core/options.js';
import type { LockBackend } from '../core/port.js';
import type { Background } from './background.js';
import type { Gate } from './gate.js';
import type { Timeouts } from './timeouts.js';

export interface Engine {
  readonly backend: LockBackend;
  readonly settings: Settings;
  readonly time: Time;
  readonly timeouts: Timeouts;
  readonly background: Background;
  /** What enters a queue goes through here. */
  readonly gate: Gate;
  report(event: LockEvent): void;
}
