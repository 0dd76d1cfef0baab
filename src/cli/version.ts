/**
 * The version of the package.
 */
import { readFile } from 'node:fs/promises';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';

/** Reads package.json, three folders above the entry `dist/esm/cli/rxlock.js`. */
export async function version(): Promise<string> {
  const entry = realpathSync(process.argv[1] ?? '');
  const manifest: unknown = JSON.parse(await readFile(join(entry, '../../../../package.json'), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version);
  throw new TypeError('package.json has no version');
}
