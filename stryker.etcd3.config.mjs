/**
 * Mutation testing of the backend for etcd v3, without the client that speaks gRPC: by its specs on an etcd in memory.
 * These are loaded once for all mutants, so it takes minutes.
 *
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
import engine from './stryker.config.mjs';

const reports = 'reports/mutation-etcd3';

export default {
  ...engine,
  mutate: ['src/backends/etcd3/*.ts'],
  loaded: {
    folders: ['spec/etcd3'],
    first: ['requests-spec', 'claims-spec'],
    // Copies of a package are Jest's business; and the contract costs each survivor ten times what all others do.
    not: ['settled-spec.ts', 'contract-spec.ts'],
  },
  // What is left over is listed in CONTRIBUTING.md.
  thresholds: { high: 95, low: 90, break: 85 },
  htmlReporter: { fileName: `${reports}/index.html` },
  jsonReporter: { fileName: `${reports}/mutation.json` },
};
