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
import { VirtualAction, config } from 'rxjs';

const { NAMESPACE } = INSTRUMENTER_CONSTANTS;

/** The specs of these folders: first those whose failure costs little, and without those named in `not`. */
const specsIn = (root, { folders, first, not }) => {
  const place = (path) => [...first, path].findIndex((named) => path.includes(named));
  return folders
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)))
    .filter((path) => path.endsWith('-spec.ts') && !not.some((named) => path.endsWith(named)))
    .sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1))
    .map((path) => join(root, path));
};

/** Ten times as many as any spec of a rule takes. */
const MOST_STEPS = 2000;

class LoadedRunner {
  static inject = tokens(commonTokens.options);

  capabilities() {
    return { reloadEnvironment: false };
  }

  constructor(options) {
    this.options = options.loaded;
    /** The `describe`s whose `beforeAll` has run, the outermost first. */
    this.open = [];
  }

  async init() {
    const root = process.cwd();
    // Two folders deep, as the specs that look for files beside them.
    const outfile = join(root, 'spec/support/.loaded-specs.cjs');
    const imports = specsIn(root, this.options).map((path) => `import ${JSON.stringify(path)};`);
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
    // Virtual time does not end where something was left behind that renews, probes or retries for ever.
    const { execute } = VirtualAction.prototype;
    const counted = (action, state, delay) => {
      this.steps += 1;
      if (this.steps > MOST_STEPS) return new Error(`still busy after ${MOST_STEPS} steps of virtual time`);
      return execute.call(action, state, delay);
    };
    VirtualAction.prototype.execute = function (state, delay) {
      return counted(this, state, delay);
    };
    config.onUnhandledError = (error) => this.stray?.(error);
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
      await this.#enter([]);
    }
    const limited = determineHitLimitReached(state.hitCount, state.hitLimit);
    // What goes on for ever would do so beside the next mutant: it ends before that.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    return toMutantRunResult(limited ?? { status: DryRunStatus.Complete, tests }, true);
  }

  /** Leaves the `describe`s that are over, and enters the new ones. */
  async #enter(scopes) {
    while (this.open.some((scope, i) => scope !== scopes[i])) for (const hook of this.open.pop().after) await hook();
    for (const scope of scopes.slice(this.open.length)) {
      this.open.push(scope);
      for (const hook of scope.before) await hook();
    }
  }

  async #run({ name, run, timeout, scopes }) {
    const began = performance.now();
    const told = () => ({ id: name, name, timeSpentMs: performance.now() - began });
    this.steps = 0;
    let timer;
    try {
      await new Promise((resolve, reject) => {
        this.stray = reject;
        timer = setTimeout(() => reject(new Error(`not over after ${timeout} ms`)), timeout);
        (async () => {
          await this.#enter(scopes);
          for (const scope of scopes) for (const hook of scope.beforeEach) await hook();
          try {
            await run();
          } finally {
            for (const scope of [...scopes].reverse()) for (const hook of scope.afterEach) await hook();
          }
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

/** So that Stryker knows the option. */
export const strykerValidationSchema = {
  properties: {
    loaded: {
      type: 'object',
      required: ['folders', 'first', 'not'],
      properties: Object.fromEntries(
        ['folders', 'first', 'not'].map((name) => [name, { type: 'array', items: { type: 'string' } }]),
      ),
    },
  },
};
