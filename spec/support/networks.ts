/**
 * The networks on which specs of diagrams run: none at all, and such where what is sent in one frame arrives in any
 * order, within that frame. What holds on the first only is a promise of the memory server and of nothing else.
 */
import { afterAll, beforeAll, describe } from '@jest/globals';
import type { TestScheduler } from 'rxjs/testing';
import { wholeFrames } from '../../src/testing/index.js';

interface Jitter {
  readonly jitter: number;
  readonly seed: number;
}

/** So little that a dozen of messages, one after another, fit into a frame. */
const A_MOMENT = 1 / 16;

const NETWORKS: readonly Jitter[] = [0, A_MOMENT, A_MOMENT].map((jitter, seed) => ({ jitter, seed }));

const NONE: Jitter = { jitter: 0, seed: 0 };

let current = NONE;

/** A `describe` whose specs run on each of them. */
export function onEachNetwork(title: string, specs: () => void): void {
  for (const network of NETWORKS) {
    const name = network.jitter === 0 ? title : `${title}, over a network (seed ${network.seed})`;
    describe(name, () => {
      beforeAll(() => {
        current = network;
      });
      afterAll(() => {
        current = NONE;
      });
      specs();
    });
  }
}

/** That of the spec that runs. */
export function networkOf(scheduler: TestScheduler): Jitter {
  const { assertDeepEqual } = scheduler;
  if (current.jitter > 0) {
    scheduler.assertDeepEqual = (actual, expected) => assertDeepEqual(wholeFrames(actual), expected);
  }
  return current;
}
