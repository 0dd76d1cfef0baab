/**
 * Mutation testing of the backend for etcd v3, without the client that speaks gRPC: by its specs on an etcd in memory.
 *
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
import engine from './stryker.config.mjs';

const reports = 'reports/mutation-etcd3';

export default {
  ...engine,
  mutate: ['src/backends/etcd3/*.ts'],
  jest: {
    ...engine.jest,
    config: { ...engine.jest.config, testMatch: ['<rootDir>/spec/etcd3/**/*-spec.ts'] },
  },
  // What is left over is listed in CONTRIBUTING.md.
  thresholds: { high: 95, low: 90, break: 85 },
  incrementalFile: `${reports}/incremental.json`,
  htmlReporter: { fileName: `${reports}/index.html` },
  jsonReporter: { fileName: `${reports}/mutation.json` },
};
