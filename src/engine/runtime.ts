/**
 * What every part of the engine stands on, made once per `Locks`.
 */
import type { Time } from '../time/clock.js';
import type { LockEvent } from '../api/events.js';
import type { Settings } from '../api/options.js';
import type { LockBackend } from '../backend/port.js';
import type { Background } from './io/background.js';
import type { Limiter } from './io/limiter.js';
import type { Deadlines } from './io/deadlines.js';

export interface EngineParts {
  readonly backend: LockBackend;
  readonly settings: Settings;
  readonly time: Time;
  readonly deadlines: Deadlines;
  readonly background: Background;
  /** What enters a queue goes through here. */
  readonly limiter: Limiter;
  report(event: LockEvent): void;
}
