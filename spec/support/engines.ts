/**
 * The engine of a client by itself, for specs of the parts that stand on it.
 */
import type { TestScheduler } from 'rxjs/testing';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { timeOf } from '../../src/time/clock.js';
import { checkedSettings } from '../../src/api/options.js';
import { createBackground } from '../../src/engine/io/background.js';
import type { EngineParts } from '../../src/engine/runtime.js';
import { createLimiter } from '../../src/engine/io/limiter.js';
import { createDeadlines } from '../../src/engine/io/deadlines.js';
import { TIMES } from './marbles.js';

/** On a memory server of its own, and as given beyond that. */
export function engineOf(scheduler: TestScheduler, parts: Partial<EngineParts> = {}): EngineParts {
  const time = timeOf({ scheduler });
  return {
    backend: memoryBackend({ scheduler }),
    settings: { ...checkedSettings(TIMES), random: () => 0 },
    time,
    deadlines: createDeadlines(time),
    background: createBackground(() => undefined),
    limiter: createLimiter(9),
    report: () => undefined,
    ...parts,
  };
}
