/**
 * Diagrams of what happens within a frame.
 */

/**
 * What a TestScheduler is to compare, its frames rounded down: with a `jitter` of a sixteenth of a frame a diagram stays
 * as it is, while what is sent in one frame arrives in any order.
 *
 * @example
 * import { TestScheduler } from 'rxjs/testing';
 *
 * const scheduler = new TestScheduler((actual, expected) => expect(wholeFrames(actual)).toEqual(expected));
 * const server = lockServer(scheduler, { jitter: 1 / 16, seed: 7 });
 */
export function wholeFrames(messages: unknown): unknown {
  return Array.isArray(messages) ? messages.map(inWholeFrames) : messages;
}

function inWholeFrames(message: unknown): unknown {
  if (typeof message !== 'object' || message === null) return message;
  const copy: object = { ...message };
  // Of the class that it was: strict comparisons look at that, too.
  Reflect.setPrototypeOf(copy, Reflect.getPrototypeOf(message));
  for (const name of FRAMES) {
    const frame: unknown = Reflect.get(copy, name);
    if (typeof frame === 'number') Reflect.set(copy, name, Math.floor(frame));
  }
  return copy;
}

/** Of a notification, and of a subscription. */
const FRAMES = ['frame', 'subscribedFrame', 'unsubscribedFrame'];
