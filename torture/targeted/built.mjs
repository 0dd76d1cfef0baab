/**
 * A build of the engine with some lines changed: the sources as ES modules, without types.
 */
import { join } from 'node:path';
import { compileAll } from '../../scripts/changed-sources.mjs';

/**
 * @param {string} folder to be made
 * @param {import('./broken.mjs').Broken['change']} [change]
 * @returns {string} the folder with `index.js`, as the contender takes it
 */
export function builtEngine(folder, change = []) {
  compileAll(folder, 'es6', ['src'], change);
  return join(folder, 'src');
}
