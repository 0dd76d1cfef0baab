/** Specs are TypeScript, turned into CommonJS by swc, as are the modules of torture/; types are checked by `npm run check`. */
export default {
  testMatch: ['<rootDir>/spec/**/*-spec.ts'],
  transform: {
    '\\.(ts|mjs)$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  // Where mutation testing works: left behind if it was stopped.
  modulePathIgnorePatterns: ['<rootDir>/.stryker-tmp'],
  // They wait for servers most of the time.
  maxWorkers: 2,
  extensionsToTreatAsEsm: [],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // A spec that the lock lab has written imports the package by its name.
    '^rxlock$': '<rootDir>/src/index.ts',
    '^rxlock/testing$': '<rootDir>/src/testing/index.ts',
  },
  reporters: ['default', '<rootDir>/spec/support/plain-line-reporter.cjs'],
};
