/**
 * For mutation testing: has a mutant fail in a spec, which costs little, where it would hang until the timeout or end
 * the process.
 */
const { afterEach, beforeEach, jest: runner } = require('@jest/globals');
const { VirtualAction, config } = require('rxjs');

/** Ten times as many as any spec of a rule takes. */
const MOST_STEPS = 2000;

// A promise that nobody settles is found out sooner than after the five seconds of Jest.
runner.setTimeout(1000);

let steps = 0;
let unhandled = [];

beforeEach(() => {
  steps = 0;
  config.onUnhandledError = (error) => unhandled.push(error);
});
afterEach(() => {
  const [first] = unhandled;
  unhandled = [];
  if (first) throw first;
});

// Virtual time does not end where something was left behind that renews, probes or retries for ever.
const { execute } = VirtualAction.prototype;
VirtualAction.prototype.execute = function (state, delay) {
  steps += 1;
  if (steps > MOST_STEPS) return new Error(`still busy after ${MOST_STEPS} steps of virtual time`);
  return execute.call(this, state, delay);
};
