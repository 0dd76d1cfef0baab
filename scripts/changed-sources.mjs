/**
 * The sources compiled to JavaScript, with some lines changed: an engine that is broken on purpose.
 */
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** @typedef {readonly (readonly [file: string, what: string, instead: string])[]} Change */

/** @param {string} file from the root of the project */
export const sourceOf = (file) => readFileSync(join(ROOT, file), 'utf8');

/**
 * Each file that a change is about, as it is with it.
 *
 * @param {Change} change
 * @returns {ReadonlyMap<string, string>}
 */
export function changedSources(change) {
  const changed = new Map();
  for (const [file, what, instead] of change) {
    const code = changed.get(file) ?? sourceOf(file);
    if (!code.includes(what)) throw new Error(`this is not in ${file} any more: ${what}`);
    changed.set(file, code.replaceAll(what, instead));
  }
  return changed;
}

/**
 * Compiles a file into a folder, at the same place.
 *
 * @param {string} folder
 * @param {'commonjs' | 'es6'} type
 * @param {string} file
 * @param {string} code
 */
export function compile(folder, type, file, code) {
  const { code: output } = transformSync(code, {
    filename: file,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type },
  });
  const path = join(folder, file.replace(/\.ts$/, '.js'));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, output);
}

/**
 * Compiles all sources of some folders of the project, without their specs.
 *
 * @param {string} folder
 * @param {'commonjs' | 'es6'} type
 * @param {readonly string[]} from
 * @param {Change} [change]
 */
export function compileAll(folder, type, from, change = []) {
  const changed = changedSources(change);
  const files = from.flatMap((place) =>
    readdirSync(join(ROOT, place), { recursive: true })
      .map((file) => join(place, String(file)))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('-spec.ts')),
  );
  for (const file of files) compile(folder, type, file, changed.get(file) ?? sourceOf(file));
  const imports = { '#platform': './src/platform/node.js' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: type === 'es6' ? 'module' : type, imports }));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
}
