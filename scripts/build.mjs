/**
 * Builds dist/: ES modules for `import`, CommonJS for `require`, types for both. tsc twice, no bundler.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const FORMS = {
  esm: { type: 'module', options: ['--module', 'nodenext', '--moduleResolution', 'nodenext'] },
  cjs: {
    type: 'commonjs',
    options: ['--module', 'commonjs', '--moduleResolution', 'bundler', '--verbatimModuleSyntax', 'false'],
  },
};

/**
 * Says the type of the modules, and the file that bundlers for browsers take instead of another. The nearest
 * package.json counts: Vite, webpack and Rollup do not look for `browser` in the one above.
 */
const packageJson = (type) => ({ type, browser: { './platform/node.js': './platform/web.js' } });

/** Older tools do not know `#platform`, so it is written out as the file for Node. */
function writeOutPlatform(form) {
  for (const name of readdirSync(`dist/${form}`, { recursive: true })) {
    const file = join(`dist/${form}`, name);
    if (!/\.(js|d\.ts)$/.test(file)) continue;
    const text = readFileSync(file, 'utf8');
    if (!text.includes('#platform')) continue;
    const path = relative(dirname(file), `dist/${form}/platform/node.js`).replaceAll('\\', '/');
    writeFileSync(file, text.replaceAll(/(['"])#platform\1/g, `$1${path.startsWith('.') ? path : `./${path}`}$1`));
  }
}

/** The sources know only the form of CommonJS, in which the specs run: there is no other place from which both can tell. */
function writeOutWorkerFile(form) {
  if (form !== 'esm') return;
  const file = 'dist/esm/backends/etcd3/renewal-worker/worker-file.js';
  writeFileSync(file, "export const workerFile = () => new URL('./worker.js', import.meta.url);\n");
}

rmSync('dist', { recursive: true, force: true });
for (const [form, { type, options }] of Object.entries(FORMS)) {
  mkdirSync(`dist/${form}`, { recursive: true });
  writeFileSync(`dist/${form}/package.json`, `${JSON.stringify(packageJson(type))}\n`);
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', `dist/${form}`, ...options], {
    stdio: 'inherit',
  });
  writeOutPlatform(form);
  writeOutWorkerFile(form);
}

const rxlock = (...given) => execFileSync(process.execPath, ['dist/esm/cli/rxlock.js', ...given]);
writeFileSync('dist/rxlock.1', rxlock('man'));
chmodSync('dist/esm/cli/rxlock.js', 0o755);
