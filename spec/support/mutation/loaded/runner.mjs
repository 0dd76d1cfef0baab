/**
 * For mutation testing: specs are loaded once and run for each mutant in the same process, which takes a hundredth of
 * the time of Jest's. A test runner of Stryker's; what can never end there is ended by it, with this process.
 */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { INSTRUMENTER_CONSTANTS } from '@stryker-mutator/api/core';
import { PluginKind, commonTokens, declareClassPlugin, tokens } from '@stryker-mutator/api/plugin';
import {
  DryRunStatus,
  TestStatus,
  determineHitLimitReached,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner';
import { buildSync } from 'esbuild';
import { expect } from 'expect';
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

const isVirtual = (scopes) => scopes.some((scope) => scope.isVirtual);

/** Ten times as many as any spec of a rule takes. */
const MOST_STEPS = 2000;

/** A mutant gets so many times as long as the dry run: a spec that is slow is told there, and kills no mutant. */
const PATIENCE = 2;

// A spec may replace those of the process.
const { clearTimeout, setTimeout } = globalThis;
const now = performance.now.bind(performance);

class LoadedRunner {
  static inject = tokens(commonTokens.options);

  capabilities() {
    return { reloadEnvironment: false };
  }

  constructor(options) {
    this.options = options.loaded;
    /** The `describe`s whose `beforeAll` has run, the outermost first. */
    this.open = [];
    /** The number of mutants that each test has killed. */
    this.kills = new Map();
  }

  async init() {
    const root = process.cwd();
    // Two folders deep, as the specs that look for files beside them.
    const outfile = join(root, `spec/support/.loaded-specs.${process.pid}.cjs`);
    // Each file in a `describe` of its own, so that its hooks are its own.
    const files = specsIn(root, this.options).map((path) => {
      const name = relative(root, path);
      const time = this.#isVirtual(name) ? 'inVirtualTime(); ' : '';
      return `describe(${JSON.stringify(name)}, () => { ${time}require(${JSON.stringify(path)}); });`;
    });
    const all = [
      "const { collected, describe, inVirtualTime, passing } = require('@jest/globals');",
      ...files,
      'module.exports = { collected, passing };',
    ].join('\n');
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
    const { collected, passing } = createRequire(import.meta.url)(outfile);
    this.passing = passing;
    const { virtual } = this.options;
    this.tests = collected.filter(({ name, scopes }) => !isVirtual(scopes) || name.includes(virtual.only));
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

  #isVirtual(name) {
    const { virtual } = this.options;
    return virtual !== undefined && name.startsWith(virtual.folder);
  }

  async dryRun() {
    const { state } = this;
    state.activeMutant = undefined;
    const tests = [];
    for (const test of this.tests) {
      state.currentTestId = test.name;
      tests.push(await this.#run(test, test.timeout));
      state.currentTestId = undefined;
    }
    await this.#enter([]);
    const mutantCoverage = structuredClone(state.mutantCoverage);
    // What a spec leaves behind in the process would kill mutants that it has never noticed: all must pass again.
    const again = [];
    for (const test of this.tests) again.push(await this.#run(test, test.timeout));
    await this.#enter([]);
    const spoilt = again.filter(({ status }) => status === TestStatus.Failed);
    return { status: DryRunStatus.Complete, tests: spoilt.length > 0 ? spoilt : tests, mutantCoverage };
  }

  async mutantRun({ activeMutant, testFilter, hitLimit }) {
    const { state } = this;
    state.activeMutant = activeMutant.id;
    state.hitCount = hitLimit === undefined ? undefined : 0;
    state.hitLimit = hitLimit;
    const asked = testFilter && new Set(testFilter);
    const killsOf = ({ name }) => this.kills.get(name) ?? 0;
    // Those first that have found the most: a mutant costs no more than the first of them that fails.
    const chosen = this.tests.filter(({ name }) => !asked || asked.has(name)).sort((a, b) => killsOf(b) - killsOf(a));
    const tests = [];
    try {
      for (const test of chosen) {
        const result = await this.#run(test, PATIENCE * test.timeout);
        tests.push(result);
        if (result.status !== TestStatus.Failed) continue;
        this.kills.set(test.name, killsOf(test) + 1);
        break;
      }
    } finally {
      state.activeMutant = undefined;
      await this.#enter([]);
    }
    const limited = determineHitLimitReached(state.hitCount, state.hitLimit);
    // What goes on for ever would do so beside the next mutant: it ends before that.
    await nextTurn();
    await nextTurn();
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

  async #run({ name, run, scopes }, timeout) {
    const began = now();
    const failures = [];
    const attempt = (work) => this.#within(work, timeout).catch((error) => failures.push(error));
    this.steps = 0;
    await attempt(async () => {
      expect.extractExpectedAssertionsErrors();
      await this.#enter(scopes);
      for (const scope of scopes) for (const hook of scope.beforeEach) await hook();
      await (isVirtual(scopes) ? this.passing(run, 10 * MOST_STEPS) : run());
      for (const { error } of expect.extractExpectedAssertionsErrors()) throw error;
      await nextTurn();
    });
    // Also after a failure: what they put back would be missing for all that follow.
    for (const scope of [...scopes].reverse()) for (const hook of scope.afterEach) await attempt(hook);
    const told = { id: name, name, timeSpentMs: now() - began };
    const [failure] = failures;
    if (failures.length === 0) return { ...told, status: TestStatus.Success };
    return { ...told, status: TestStatus.Failed, failureMessage: String(failure?.stack ?? failure).slice(0, 400) };
  }

  /** Does the work; fails also with what nobody catches meanwhile, and when it takes too long. */
  async #within(work, timeout) {
    let timer;
    try {
      return await new Promise((resolve, reject) => {
        this.stray = reject;
        timer = setTimeout(() => reject(new Error(`not over after ${timeout} ms`)), timeout);
        (async () => work())().then(resolve, reject);
      });
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
      properties: {
        ...Object.fromEntries(
          ['folders', 'first', 'not'].map((name) => [name, { type: 'array', items: { type: 'string' } }]),
        ),
        // Specs of real time that run in virtual time here: those of a folder whose name says so.
        virtual: {
          type: 'object',
          required: ['folder', 'only'],
          properties: { folder: { type: 'string' }, only: { type: 'string' } },
        },
      },
    },
  },
};
