/**
 * The engine of a client by itself, for specs of the parts that stand on it.
 */
import type { VirtualTimeScheduler } from 'rxjs';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { timeOf } from '../../src/time/clock.js';
import { checkedSettings } from '../../src/api/options.js';
import { createBackground } from '../../src/engine/io/background.js';
import type { Runtime } from '../../src/engine/runtime.js';
import { createLimiter } from '../../src/engine/io/limiter.js';
import { createDeadlines } from '../../src/engine/io/deadlines.js';
import { timingOf } from '../../src/rules/timing.js';
import { createConnection } from '../../src/engine/connection.js';
import { createBodies } from '../../src/engine/bodies.js';
import { createContenders } from '../../src/engine/contenders.js';
import type { LocksRuntime } from '../../src/engine/locks-runtime.js';
import { createEnqueueOrder } from '../../src/engine/queue/enqueue-order.js';
import { createKeyQueues } from '../../src/engine/queue/key-queues.js';
import { SharedSession } from '../../src/engine/sessions.js';
import { TIMES } from './marbles.js';

/** On a memory server of its own, and as given beyond that. */
export function engineOf(scheduler: VirtualTimeScheduler, parts: Partial<Runtime> = {}): Runtime {
  const time = timeOf({ scheduler });
  const settings = { ...checkedSettings(TIMES), random: () => 0 };
  return {
    timing: timingOf(settings.ttl, settings),
    backend: memoryBackend({ scheduler }),
    settings,
    time,
    deadlines: createDeadlines(time),
    background: createBackground(() => undefined),
    limiter: createLimiter(9),
    connection: createConnection(
      () => undefined,
      () => time.now(),
    ),
    context: (work) => work(),
    report: () => undefined,
    ...parts,
  };
}

/** The same with what contenders share. */
export function locksRuntimeOf(scheduler: VirtualTimeScheduler, parts: Partial<LocksRuntime> = {}): LocksRuntime {
  const runtime = engineOf(scheduler, parts);
  let ids = 0;
  return Object.assign(runtime, {
    sessions: new SharedSession(runtime),
    queues: createKeyQueues(runtime, { add: () => undefined, stop: () => undefined }),
    enqueueOrder: createEnqueueOrder(),
    localQueue: undefined,
    contenders: createContenders(runtime.time),
    bodies: createBodies(),
    isClosing: () => false,
    isClosed: () => false,
    nextClaimId: () => String((ids += 1)),
    ...parts,
  });
}
