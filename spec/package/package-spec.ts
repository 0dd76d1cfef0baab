/**
 * The package as its users get it: packed, unpacked elsewhere, imported and required.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { WEB_GLOBALS } from '../support/web-globals.js';

jest.setTimeout(120_000);

const ROOT = join(__dirname, '../..');
const ENTRIES = [
  'rxlock',
  'rxlock/memory',
  'rxlock/etcd3',
  'rxlock/node-etcd',
  'rxlock/microlock',
  'rxlock/web-locks',
  'rxlock/backend',
  'rxlock/backend/contract',
  'rxlock/node-cron',
  'rxlock/nestjs',
  'rxlock/opentelemetry',
  'rxlock/testing',
];
const tool = (name: string): string => join(ROOT, 'node_modules', name);

describe('the package', () => {
  let home: string;
  let tarball: string;

  /** Another project, with only what its user installed beside rxlock. */
  const project = (name: string, installed: readonly string[]): string => {
    const folder = join(home, name);
    const modules = join(folder, 'node_modules');
    mkdirSync(join(modules, 'rxlock'), { recursive: true });
    execFileSync('tar', ['-xzf', tarball, '-C', join(modules, 'rxlock'), '--strip-components=1']);
    for (const dependency of installed) symlinkSync(tool(dependency), join(modules, dependency));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    return folder;
  };
  const run = (folder: string, file: string, code: string): string => {
    writeFileSync(join(folder, file), code);
    return execFileSync(process.execPath, [file], { cwd: folder, encoding: 'utf8' }).trim();
  };

  beforeAll(() => {
    expect(existsSync(join(ROOT, 'dist/esm/index.js'))).toBe(true);
    home = mkdtempSync(join(tmpdir(), 'rxlock-package-'));
    const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', home], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const name = /"filename":\s*"([^"]+)"/.exec(packed)?.[1] ?? '';
    tarball = join(home, name);
  });
  afterAll(() => {
    rmSync(home, { recursive: true, force: true });
  });

  it('is usable by import and by require, each entry', () => {
    const folder = project('all', [
      'rxjs',
      'tslib',
      'etcd3',
      'node-etcd',
      '@nestjs',
      '@opentelemetry',
      'reflect-metadata',
    ]);
    const names = run(
      folder,
      'import.mjs',
      `for (const entry of ${JSON.stringify(ENTRIES)}) console.log(Object.keys(await import(entry)).join());`,
    );
    const required = run(
      folder,
      'require.cjs',
      `for (const entry of ${JSON.stringify(ENTRIES)}) console.log(Object.keys(require(entry)).sort().join());`,
    );
    expect(required).toBe(names);
    expect(names).toContain('createLocks');
    expect(names).toContain('memoryBackend');
    expect(names).toContain('etcd3Backend');
    expect(names).toContain('nodeEtcdBackend');
    expect(names).toContain('lockServer');
  });

  it('asks nobody for an etcd client who uses none', () => {
    const folder = project('memory-only', ['rxjs', 'tslib']);
    const code = `
      import { of, lastValueFrom } from 'rxjs';
      import { createLocks, withLock } from 'rxlock';
      import { memoryBackend } from 'rxlock/memory';
      console.log(await lastValueFrom(of('done').pipe(withLock(createLocks(memoryBackend()).mutex('k')))));`;
    expect(run(folder, 'use.mjs', code)).toBe('done');
  });

  it('asks nobody for node-etcd who uses etcd3, nor the other way round', () => {
    const v3 = project('v3-only', ['rxjs', 'tslib', 'etcd3']);
    const v2 = project('v2-only', ['rxjs', 'tslib']);
    expect(run(v3, 'use.mjs', `import 'rxlock'; import 'rxlock/etcd3'; console.log('fine');`)).toBe('fine');
    expect(
      run(v2, 'use.mjs', `import 'rxlock'; import 'rxlock/node-etcd'; import 'rxlock/microlock'; console.log('fine');`),
    ).toBe('fine');
  });

  it('has the forms of npm microlock, so that the import line is all that changes', () => {
    const folder = project('microlock', ['rxjs', 'tslib']);
    const use = `
      const client = { get: () => ({ abort() {} }), set() {}, compareAndDelete() {} };
      const foo = new Microlock(client, 'foo', 'a node', 5);
      foo.on(events.unlocked, () => {});
      foo.destroy();
      console.log(typeof foo.lock, typeof foo.unlock, typeof foo.renew, AlreadyLockedError.name, events.locked);`;
    const names = '{ AlreadyLockedError, events }';
    const imported = run(folder, 'use.mjs', `import Microlock, ${names} from 'rxlock/microlock'; ${use}`);
    const required = run(
      folder,
      'use.cjs',
      `const { default: Microlock, ...rest } = require('rxlock/microlock'); const ${names} = rest; ${use}`,
    );
    expect(imported).toBe('function function function AlreadyLockedError locked');
    expect(required).toBe(imported);
  });

  it('exports each class and function under the name that it has, which is what stack traces show', () => {
    const peers = ['etcd3', 'node-etcd', '@nestjs', '@opentelemetry', 'reflect-metadata'];
    const folder = project('names', ['rxjs', 'tslib', ...peers]);
    const code = ENTRIES.map(
      (entry) => `
      for (const [name, value] of Object.entries(await import(${JSON.stringify(entry)}))) {
        if (name !== 'default' && typeof value === 'function' && value.name !== name) console.log(name, value.name);
      }`,
    );
    expect(run(folder, 'names.mjs', code.join(''))).toBe('');
  });

  it('tells errors apart across its two builds', () => {
    const folder = project('both', ['rxjs', 'tslib']);
    const code = `
      import { createRequire } from 'node:module';
      import { createLocks, InvalidOptionError } from 'rxlock';
      import { memoryBackend } from 'rxlock/memory';
      const required = createRequire(import.meta.url)('rxlock');
      try { createLocks(memoryBackend(), { ttl: 0 }); } catch (error) {
        console.log([required.InvalidOptionError !== InvalidOptionError, error instanceof required.InvalidOptionError,
          error instanceof required.LockError, error instanceof required.LockLostError].join());
      }`;
    expect(run(folder, 'errors.mjs', code)).toBe('true,true,true,false');
  });

  it('lets a process end while nothing is held, and holds it up while something is', () => {
    const folder = project('endings', ['rxjs', 'tslib']);
    const code = `
      import { lastValueFrom, of } from 'rxjs';
      import { createLocks, withLock } from 'rxlock';
      import { memoryBackend } from 'rxlock/memory';
      const locks = createLocks(memoryBackend(), { ttl: 60_000 });
      await lastValueFrom(of(1).pipe(withLock(locks.mutex('k'))));
      // The session lingers for a minute now, and must keep nobody.
      const held = await locks.mutex('k').acquire();
      const timer = setTimeout(() => { console.log('still here'); void held.release(); }, 20).unref();`;
    expect(run(folder, 'end.mjs', code)).toBe('still here');
  });

  it('passes the checks of publint and of are-the-types-wrong', () => {
    const publint = execFileSync(
      process.execPath,
      [tool('publint/src/cli.js'), tarball, '--strict', '--level', 'warning'],
      {
        encoding: 'utf8',
      },
    );
    expect(publint).toContain('All good');
    const attw = execFileSync(process.execPath, [tool('@arethetypeswrong/cli/dist/index.js'), tarball], {
      encoding: 'utf8',
    });
    // Its exit code says whether there are problems; each entry is seen from both kinds of module, from a bundler, and
    // as before there was `exports`.
    expect(attw.match(/🟢 \((CJS|ESM)\)/gu)).toHaveLength(2 * ENTRIES.length);
    expect(attw.match(/🟢(?! \()/gu)).toHaveLength(2 * ENTRIES.length);
  });

  it('has types that compile for its users, imported and required', () => {
    const folder = project('types', ['rxjs', 'tslib', 'etcd3', '@types']);
    const code = `
      import { of } from 'rxjs';
      import { createLocks, withLock, type LockState } from 'rxlock';
      import { memoryBackend } from 'rxlock/memory';
      import { etcd3Backend } from 'rxlock/etcd3';
      const locks = createLocks(memoryBackend());
      createLocks(etcd3Backend({ hosts: 'http://127.0.0.1:2379' }));
      of(1).pipe(withLock(locks.mutex('k'))).subscribe((n: number) => n.toFixed());
      export const told = (state: LockState): string => (state.status === 'held' ? String(state.held.fencingToken) : state.key);`;
    writeFileSync(join(folder, 'use.mts'), code);
    writeFileSync(join(folder, 'use.cts'), code);
    const options = [
      '--noEmit',
      '--strict',
      '--target',
      'es2022',
      '--module',
      'nodenext',
      '--skipLibCheck',
      '--types',
      'node',
    ];
    const tsc = [tool('typescript/bin/tsc'), ...options, 'use.mts', 'use.cts', '--ignoreConfig'];
    expect(execFileSync(process.execPath, tsc, { cwd: folder, encoding: 'utf8' })).toBe('');
  });

  it('is bundled for a browser without anything of Node, also by a bundler that reads the nearest package.json only', () => {
    const folder = project('browser', ['rxjs', 'tslib']);
    const code = `
      import { of } from 'rxjs';
      import { createLocks, withLock } from 'rxlock';
      import { memoryBackend } from 'rxlock/memory';
      const locks = createLocks(memoryBackend());
      of('done').pipe(withLock(locks.mutex('k'))).subscribe(tell);
      void locks.close();`;
    writeFileSync(join(folder, 'main.js'), code);
    const bundle = `
      import { build } from ${JSON.stringify(tool('vite/dist/node/index.js'))};
      const lib = { entry: 'main.js', formats: ['iife'], name: 'bundle', fileName: () => 'bundle.js' };
      await build({ configFile: false, logLevel: 'error', build: { lib } });`;
    run(folder, 'bundle.mjs', bundle);
    const told: string[] = [];
    const web = { ...WEB_GLOBALS, tell: (what: string) => told.push(what) };
    runInContext(readFileSync(join(folder, 'dist/bundle.js'), 'utf8'), createContext(web));
    expect(told).toEqual(['done']);
  });

  it('is documented by its own name: the README is in it', () => {
    const listed = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' });
    for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md']) expect(listed).toContain(`package/${file}`);
    expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain('npm ci && npm test');
  });
});
