/**
 * Mutation testing of the backend for etcd v3, without the client that speaks gRPC: by its specs on an etcd in memory.
 * These are loaded once for all mutants, so it takes minutes.
 *
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
import engine from './stryker.config.mjs';

const reports = 'reports/mutation-etcd3';
const { jest: _, incrementalFile: __, ...common } = engine;

export default {
  ...common,
  mutate: ['src/backends/etcd3/*.ts'],
  testRunner: 'loaded',
  plugins: ['./spec/support/mutation/loaded/runner.mjs'],
  // What is left over is listed in CONTRIBUTING.md.
  thresholds: { high: 95, low: 90, break: 85 },
  // It takes minutes; and where a loaded spec has changed is not told.
  incremental: false,
  htmlReporter: { fileName: `${reports}/index.html` },
  jsonReporter: { fileName: `${reports}/mutation.json` },
};
