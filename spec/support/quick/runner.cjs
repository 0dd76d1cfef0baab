/**
 * Runs many files of specs as few: one for each worker. Jest loads rxlock and RxJS anew for each file, which takes longer
 * than to run what is in it.
 */
const { mkdirSync, writeFileSync } = require('node:fs');
const { join, relative } = require('node:path');
const TestRunner = require('jest-runner').default;

/** Each file is a `describe` of its own, so that its hooks are its own, and a failure says where it is. */
const loading = (path, root) =>
  `describe(${JSON.stringify(relative(root, path))}, () => { require(${JSON.stringify(path)}); });\n`;

module.exports = class extends TestRunner {
  runTests(tests, watcher, options) {
    const { maxWorkers, rootDir } = this._globalConfig;
    const folder = join(rootDir, 'node_modules/.cache/rxlock');
    mkdirSync(folder, { recursive: true });
    // They come with the largest first. Back and forth, so that each worker gets as much.
    const shares = Array.from({ length: Math.min(maxWorkers, tests.length) }, () => []);
    for (const [i, test] of tests.entries()) {
      const turn = i % (2 * shares.length);
      shares[Math.min(turn, 2 * shares.length - 1 - turn)].push(test);
    }
    const together = shares.map((share, i) => {
      const path = join(folder, `quick-${i + 1}.cjs`);
      writeFileSync(path, share.map((test) => loading(test.path, rootDir)).join(''));
      return { ...share[0], path };
    });
    return super.runTests(together, watcher, options);
  }
};
