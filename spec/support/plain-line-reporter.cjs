/** The last line of a run, for whoever reads it without knowing Jest. */
module.exports = class PlainLineReporter {
  onRunComplete(_contexts, { numPassedTests, numFailedTests, numRuntimeErrorTestSuites }) {
    // After Jest's own summary, which is written when all reporters are done.
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    process.once('exit', () => process.stdout.write(`${numPassedTests} passed, ${failed} failed\n`));
  }
};
