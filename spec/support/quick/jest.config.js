/** For `npm run quick`: the rules in virtual time, without the specs of volume and of whole contracts. */
import all from '../../../jest.config.js';

export default {
  ...all,
  rootDir: '../../..',
  testMatch: ['<rootDir>/spec/{api,backend,engine,etcd3,operators,rules,testing,time}/**/*-spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/volume-spec', '/extremes-spec', '/stuck-spec', '/etcd3/contract-spec'],
  // A spec may leave a timer to the real clock, which Jest complains of after the last one.
  testEnvironmentOptions: { globalsCleanup: 'off' },
  runner: '<rootDir>/spec/support/quick/runner.cjs',
};
