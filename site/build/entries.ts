/** The public entries by the names that are imported, and their sources: as package.json exports them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly import: { readonly default: string } }>>;
}

export function entriesOf(): Readonly<Record<string, string>> {
  // Our own package.json: spec/package checks it.
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;
  return Object.fromEntries(
    Object.entries(exports).flatMap(([path, target]) => {
      if (typeof target === 'string') return [];
      const source = target.import.default.replace('./dist/esm/', 'src/').replace(/\.js$/, '.ts');
      return [[path.replace('.', 'rxlock'), source]];
    }),
  );
}
