/**
 * Builds dist/: ES modules for `import`, CommonJS for `require`, types for both. tsc twice, no bundler.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const FORMS = {
  esm: { type: 'module', options: ['--module', 'nodenext', '--moduleResolution', 'nodenext'] },
  cjs: {
    type: 'commonjs',
    options: ['--module', 'commonjs', '--moduleResolution', 'bundler', '--verbatimModuleSyntax', 'false'],
  },
};

/** Node looks for `#platform` in the nearest package.json. */
const imports = { '#platform': { node: './platform/node.js', default: './platform/web.js' } };

rmSync('dist', { recursive: true, force: true });
for (const [form, { type, options }] of Object.entries(FORMS)) {
  mkdirSync(`dist/${form}`, { recursive: true });
  writeFileSync(`dist/${form}/package.json`, `${JSON.stringify({ type, imports })}\n`);
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', `dist/${form}`, ...options], {
    stdio: 'inherit',
  });
}

const rxlock = (...given) => execFileSync(process.execPath, ['dist/esm/cli/rxlock.js', ...given]);
writeFileSync('dist/rxlock.1', rxlock('man'));
chmodSync('dist/esm/cli/rxlock.js', 0o755);
