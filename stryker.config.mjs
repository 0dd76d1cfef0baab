/**
 * Mutation testing: each rule of the engine is broken in turn, and a spec in virtual time must notice.
 * A mutant that no spec notices is either a promise that no spec makes, or code that is not needed.
 *
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  mutate: [
    'src/engine/**/*.ts',
    'src/operators/**/*.ts',
    'src/rules/**/*.ts',
    'src/time/**/*.ts',
    // The other files of the API are types.
    'src/api/{errors,options,revocation}.ts',
  ],
  testRunner: 'loaded',
  plugins: ['./spec/support/mutation/loaded/runner.mjs'],
  loaded: {
    // Those of `npm run marbles`: no servers, hardly any real time.
    folders: ['api', 'rules', 'time', 'engine', 'operators', 'testing', 'contract'].map((name) => `spec/${name}`),
    // The contract on the memory backend, which needs no server either.
    virtual: { folder: 'spec/contract', only: 'memory' },
    first: ['spec/operators', 'requests-spec'],
    // Not those of volume, of a whole day, and of a full stack, which take as long as hundreds of others; nor those of
    // more processes than one.
    not: ['volume-spec.ts', 'extremes-spec.ts', 'stuck-spec.ts', 'processes-spec.ts', 'garbage-spec.ts'],
  },
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  // What mutants have left behind in their process ends with it.
  maxTestRunnerReuse: 500,
  ignorePatterns: ['/bench', '/dist', '/examples', '/reports', '/spec/{backends,bench,docs,package,simulation}'],
  concurrency: 2,
  // A mutant that never ends is found out after four times the time of its specs and this, milliseconds: machines are noisy.
  timeoutFactor: 4,
  timeoutMS: 10_000,
  // What is left over is not observable, or a guard that only the simulator reaches.
  thresholds: { high: 95, low: 92, break: 94 },
  reporters: ['clear-text', 'html', 'json', 'progress-append-only'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  htmlReporter: { fileName: 'reports/mutation/index.html' },
  jsonReporter: { fileName: 'reports/mutation/mutation.json' },
  tempDirName: '.stryker-tmp',
};
