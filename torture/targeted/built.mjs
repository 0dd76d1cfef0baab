/**
 * A build of the engine with some lines changed: the sources as ES modules, without types.
 */
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * @param {string} folder to be made
 * @param {import('./broken.mjs').Broken['change']} [change]
 * @returns {string} the folder with `index.js`, as the contender takes it
 */
export function builtEngine(folder, change = []) {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true })
    .map((file) => join('src', String(file)))
    .filter((file) => file.endsWith('.ts'));
  for (const [where] of change) if (!files.includes(where)) throw new Error(`there is no ${where}`);
  for (const file of files) {
    let code = readFileSync(join(ROOT, file), 'utf8');
    for (const [where, what, instead] of change) {
      if (where !== file) continue;
      if (!code.includes(what)) throw new Error(`this is not in ${file} any more: ${what}`);
      code = code.replaceAll(what, instead);
    }
    const { code: output } = transformSync(code, {
      filename: file,
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'es6' },
    });
    const path = join(folder, file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, output);
  }
  const imports = { '#platform': './src/platform/node.js' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', imports }));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'src');
}
