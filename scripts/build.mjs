/**
 * Builds dist/: ES modules for `import`, CommonJS for `require`, types for both. tsc twice; then esbuild puts the ES
 * modules into few files.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';

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

/** Files that stay by themselves: one is another for browsers, the other lies beside the worker's. */
const APART = {
  '#platform': 'platform/node.js',
  '#worker-file': 'backends/etcd3/renewal-worker/worker-file.js',
};

/** Older tools do not know `#platform`, so it is written out as the file for Node. */
function writeOutApart(form) {
  for (const name of readdirSync(`dist/${form}`, { recursive: true })) {
    const file = join(`dist/${form}`, name);
    if (!/\.(js|d\.ts)$/.test(file)) continue;
    const before = readFileSync(file, 'utf8');
    let text = before;
    for (const [named, apart] of Object.entries(APART)) {
      const path = relative(dirname(file), `dist/${form}/${apart}`).replaceAll('\\', '/');
      text = text.replaceAll(new RegExp(`(['"])${named}\\1`, 'g'), `$1${path.startsWith('.') ? path : `./${path}`}$1`);
    }
    if (text !== before) writeFileSync(file, text);
  }
}

/**
 * One file for each entry, and `chunks/` for what several share: to load 150 small files takes three times as long. Not
 * for CommonJS, which esbuild cannot split: each entry would have a copy of the engine.
 */
async function joinFiles() {
  const { exports, bin } = JSON.parse(readFileSync('package.json', 'utf8'));
  const entries = Object.values(exports).flatMap((entry) => entry.import?.default ?? []);
  const worker = 'dist/esm/backends/etcd3/renewal-worker/worker.js';
  const { outputFiles } = await build({
    entryPoints: [...entries, ...Object.values(bin), worker],
    outbase: 'dist/esm',
    outdir: 'dist/esm',
    chunkNames: 'chunks/[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'es2022',
    packages: 'external',
    sourcemap: true,
    sourcesContent: false,
    write: false,
    plugins: [
      {
        name: 'apart',
        setup({ onResolve }) {
          onResolve({ filter: /^#platform$/ }, ({ path }) => ({ path, external: true }));
          onResolve({ filter: /\/worker-file\.js$/ }, () => ({ path: '#worker-file', external: true }));
        },
      },
    ],
  });
  const stay = [...Object.values(APART), 'platform/web.js'].map((file) => join('dist/esm', file));
  for (const name of readdirSync('dist/esm', { recursive: true })) {
    const file = join('dist/esm', name);
    if (/\.js(\.map)?$/.test(file) && !stay.includes(file.replace(/\.map$/, ''))) rmSync(file);
  }
  for (const { path, contents } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
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
  if (form === 'esm') await joinFiles();
  writeOutApart(form);
  writeOutWorkerFile(form);
}

const rxlock = (...given) => execFileSync(process.execPath, ['dist/esm/cli/rxlock.js', ...given]);
writeFileSync('dist/rxlock.1', rxlock('man'));
chmodSync('dist/esm/cli/rxlock.js', 0o755);
