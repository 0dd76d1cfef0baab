/**
 * For diagrams in which the order inside a frame does not matter.
 */

/**
 * Rounds the frames down that a TestScheduler compares. So with a `jitter` of a sixteenth of a frame the diagram stays
 * the same, while requests that are sent in one frame arrive in any order.
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
  // Keep the class: strict comparisons check it, too.
  Reflect.setPrototypeOf(copy, Reflect.getPrototypeOf(message));
  for (const name of FRAMES) {
    const frame: unknown = Reflect.get(copy, name);
    if (typeof frame === 'number') Reflect.set(copy, name, Math.floor(frame));
  }
  return copy;
}

/** The frame of a notification, and those of a subscription. */
const FRAMES = ['frame', 'subscribedFrame', 'unsubscribedFrame'];
