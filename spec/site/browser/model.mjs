/**
 * The model of the lab, as a module for Node: it is TypeScript.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const ENTRY = `
  export { PRESETS } from './site/lab/model/presets.js';
  export { CLIENTS } from './site/lab/model/trace.js';
  export { specText } from './site/lab/model/spec-text.js';
  export { fromFragment } from './site/lab/model/url.js';`;

export async function loadModel(root) {
  const folder = mkdtempSync(join(tmpdir(), 'rxlock-lab-'));
  const outfile = join(folder, 'model.mjs');
  try {
    await build({
      stdin: { contents: ENTRY, resolveDir: root, loader: 'ts' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      logLevel: 'error',
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
