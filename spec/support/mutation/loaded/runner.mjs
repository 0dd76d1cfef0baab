/**
 * For mutation testing: specs are loaded once and run for each mutant in the same process, which takes a hundredth of
 * the time of Jest's. A test runner of Stryker's; what can never end there is ended by it, with this process.
 */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { INSTRUMENTER_CONSTANTS } from '@stryker-mutator/api/core';
import { PluginKind, commonTokens, declareClassPlugin, tokens } from '@stryker-mutator/api/plugin';
import {
  DryRunStatus,
  TestStatus,
  determineHitLimitReached,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner';
import { buildSync } from 'esbuild';

const { NAMESPACE } = INSTRUMENTER_CONSTANTS;

/** Whose failure costs little comes first; the rest is in between. */
const FIRST = ['requests-spec.ts', 'claims-spec.ts'];
const place = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);

/** Copies of a package are Jest's business; and the contract costs each survivor ten times what all others do. */
const NOT = ['settled-spec.ts', 'contract-spec.ts'];

const specsIn = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('-spec.ts') && !NOT.includes(name))
    .sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1))
    .map((name) => join(folder, name));

class LoadedRunner {
  static inject = tokens(commonTokens.options);

  capabilities() {
    return { reloadEnvironment: false };
  }

  async init() {
    const root = process.cwd();
    const outfile = join(root, '.loaded-specs.cjs');
    const imports = specsIn(join(root, 'spec/etcd3')).map((path) => `import ${JSON.stringify(path)};`);
    const all = [...imports, "export { collected } from '@jest/globals';"].join('\n');
    buildSync({
      stdin: { contents: all, resolveDir: root },
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node20',
      packages: 'external',
      alias: { '@jest/globals': join(root, 'spec/support/mutation/loaded/globals.mjs') },
      outfile,
      // The package says that its files have no side effects; those of specs are all they are for.
      ignoreAnnotations: true,
      logLevel: 'error',
    });
    this.state = globalThis[NAMESPACE] ?? (globalThis[NAMESPACE] = {});
    ({ collected: this.tests } = createRequire(import.meta.url)(outfile));
    process.on('unhandledRejection', (error) => this.stray?.(error));
    process.on('uncaughtException', (error) => this.stray?.(error));
  }

  async dryRun() {
    const { state } = this;
    state.activeMutant = undefined;
    const tests = [];
    for (const test of this.tests) {
      state.currentTestId = test.name;
      tests.push(await this.#run({ ...test, timeout: 20 * test.timeout }));
      state.currentTestId = undefined;
    }
    return { status: DryRunStatus.Complete, tests, mutantCoverage: state.mutantCoverage };
  }

  async mutantRun({ activeMutant, testFilter, hitLimit }) {
    const { state } = this;
    state.activeMutant = activeMutant.id;
    state.hitCount = hitLimit === undefined ? undefined : 0;
    state.hitLimit = hitLimit;
    const asked = testFilter && new Set(testFilter);
    const tests = [];
    try {
      for (const test of this.tests) {
        if (asked && !asked.has(test.name)) continue;
        const result = await this.#run(test);
        tests.push(result);
        if (result.status === TestStatus.Failed) break;
      }
    } finally {
      state.activeMutant = undefined;
    }
    const limited = determineHitLimitReached(state.hitCount, state.hitLimit);
    // What goes on for ever would do so beside the next mutant: it ends before that.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    return toMutantRunResult(limited ?? { status: DryRunStatus.Complete, tests }, true);
  }

  async #run({ name, run, timeout, before, after }) {
    const began = performance.now();
    const told = () => ({ id: name, name, timeSpentMs: performance.now() - began });
    let timer;
    try {
      await new Promise((resolve, reject) => {
        this.stray = reject;
        timer = setTimeout(() => reject(new Error(`not over after ${timeout} ms`)), timeout);
        (async () => {
          for (const hook of before) await hook();
          await run();
          for (const hook of after) await hook();
          await new Promise((done) => setImmediate(done));
        })().then(resolve, reject);
      });
      return { ...told(), status: TestStatus.Success };
    } catch (error) {
      return { ...told(), status: TestStatus.Failed, failureMessage: String(error?.stack ?? error).slice(0, 400) };
    } finally {
      clearTimeout(timer);
      this.stray = undefined;
    }
  }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'loaded', LoadedRunner)];
