/**
 * For mutation testing: stops after the first file with a failure, as `bail` does where Jest is started by hand.
 */
const { default: TestRunner } = require('jest-runner');

module.exports = class extends TestRunner {
  async runTests(tests, watcher, options) {
    if (!process.env.__STRYKER_ACTIVE_MUTANT__) return super.runTests(tests, watcher, options);
    let hasFailed = false;
    const unsubscribes = [
      this.on('test-file-success', ([, { numFailingTests }]) => {
        hasFailed ||= numFailingTests > 0;
      }),
      this.on('test-file-failure', () => {
        hasFailed = true;
      }),
    ];
    for (const test of tests) {
      if (!hasFailed) await super.runTests([test], watcher, options);
    }
    for (const unsubscribe of unsubscribes) unsubscribe();
  }
};
