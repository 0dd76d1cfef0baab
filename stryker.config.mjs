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
  testRunner: 'jest',
  // Named, since node_modules may be elsewhere.
  plugins: ['@stryker-mutator/jest-runner'],
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  jest: {
    projectType: 'custom',
    configFile: 'jest.config.js',
    // Those of `npm run marbles`: no servers, hardly any real time.
    config: {
      testMatch: ['<rootDir>/spec/{api,rules,time,engine,operators,testing}/**/!(volume)-spec.ts'],
      reporters: [],
      setupFilesAfterEnv: ['<rootDir>/spec/support/mutation/setup.cjs'],
      // One failure is enough.
      runner: '<rootDir>/spec/support/mutation/runner.cjs',
      testEnvironment: './spec/support/mutation/environment.cjs',
    },
    // All of them stand on all of the engine.
    enableFindRelatedTests: false,
  },
  ignorePatterns: [
    '/bench',
    '/dist',
    '/examples',
    '/reports',
    '/spec/{backends,bench,contract,docs,package,simulation}',
  ],
  concurrency: 2,
  // A mutant that never ends is found out after four times the time of its specs and this, milliseconds: machines are noisy.
  timeoutFactor: 4,
  timeoutMS: 10_000,
  // What is left over is not observable, or a guard that only the simulator reaches.
  thresholds: { high: 95, low: 92, break: 90 },
  incremental: true,
  incrementalFile: 'reports/mutation/incremental.json',
  reporters: ['clear-text', 'html', 'json', 'progress-append-only'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  htmlReporter: { fileName: 'reports/mutation/index.html' },
  jsonReporter: { fileName: 'reports/mutation/mutation.json' },
  tempDirName: '.stryker-tmp',
};
