/**
 * The engine of a client by itself, for specs of the parts that stand on it.
 */
import type { TestScheduler } from 'rxjs/testing';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { timeOf } from '../../src/core/clock.js';
import { checkedSettings } from '../../src/core/options.js';
import { createBackground } from '../../src/session/background.js';
import type { Engine } from '../../src/session/engine.js';
import { createGate } from '../../src/session/gate.js';
import { createTimeouts } from '../../src/session/timeouts.js';
import { TIMES } from './marbles.js';

/** On a memory server of its own, and as given beyond that. */
export function engineOf(scheduler: TestScheduler, parts: Partial<Engine> = {}): Engine {
  const time = timeOf({ scheduler });
  return {
    backend: memoryBackend({ scheduler }),
    settings: { ...checkedSettings(TIMES), random: () => 0 },
    time,
    timeouts: createTimeouts(time),
    background: createBackground(() => undefined),
    gate: createGate(9),
    report: () => undefined,
    ...parts,
  };
}
