/**
 * What a browser gets: the core, the memory backend and `rxlock/testing`, bundled with RxJS. It runs without anything of
 * Node, and stays small.
 */
import { gzipSync } from 'node:zlib';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { buildSync } from 'esbuild';
import { WEB_GLOBALS } from '../support/web-globals.js';

const ROOT = join(__dirname, '../..');

/** RxJS has a build of ES2015 for those who ask for it. */
const NEWEST_RXJS = ['es2015'];

/** Bundled and minified for browsers, as a script that leaves its exports in `bundle`. */
function bundled(code: string, conditions = NEWEST_RXJS): string {
  const { outputFiles } = buildSync({
    stdin: { contents: code, resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    minify: true,
    write: false,
    platform: 'browser',
    format: 'iife',
    globalName: 'bundle',
    target: 'es2022',
    conditions,
  });
  return outputFiles[0]?.text ?? '';
}

/** Bytes after gzip. */
const sizeOf = (code: string, conditions?: string[]): number =>
  gzipSync(bundled(code, conditions), { level: 9 }).length;

const CORE = `export { createLocks, withLock, usingLock, whileLeader } from './src/index.js';
  export { memoryBackend } from './src/backends/memory/index.js';`;
const ALL = `${CORE} export * from './src/testing/index.js';`;

describe('the bundle for browsers', () => {
  // Measured: 42.4, 43.8 and 44.2 KB (of 1000 bytes); the budgets are 1 % more. What each part costs, measured by
  // leaving it out: RxJS 5.7 (7.7 alone), `once` 4.3, texts 3.3, option checks 4.1, the memory server 2.3, elections 0.9,
  // slots 0.8, prefixes 0.6, what completes a backend 0.6, `all`, revocation, `watchAll$` and channels 0.5 each. They are
  // methods and options of one object, so none of them can be left out by a bundler. A mutex over the memory server,
  // without any of that but RxJS, the texts and the checks, is 30.8 KB.
  it('is small, RxJS included', () => {
    expect(sizeOf(CORE)).toBeLessThan(42_800);
    expect(sizeOf(ALL)).toBeLessThan(44_200);
  });

  it('is small with the build of RxJS, of ES5, that bundlers take by themselves', () => {
    expect(sizeOf(CORE, [])).toBeLessThan(44_600);
  });

  it('runs where there is nothing of Node', () => {
    const told: string[] = [];
    const web = { ...WEB_GLOBALS, tell: (what: string) => told.push(what) };
    const use = `
      const virtual = new bundle.VirtualTimeScheduler();
      const server = bundle.lockServer(virtual, { latency: 1 });
      const [a, b] = ['a', 'b'].map((owner) => server.client({ owner, ttl: 24, safetyMargin: 4 }));
      for (const client of [a, b]) {
        bundle.timer(10, client.scheduler).pipe(bundle.withLock(client.mutex('k'))).subscribe({
          next: () => tell(virtual.now() + ' done'),
        });
      }
      virtual.flush();`;
    const code = bundled(`${ALL} export { VirtualTimeScheduler, timer } from 'rxjs';`);
    runInContext(`${code};${use}`, createContext(web));
    expect(told).toEqual(['14 done', '26 done']);
  });
});
