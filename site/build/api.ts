/**
 * Makes the API reference from the docstrings, as pages of the site.
 */
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Application } from 'typedoc';
import { withDiagrams } from './marbles.js';

const ROOT = join(import.meta.dirname, '../..');
const OUT = join(ROOT, 'site/.made/api');

/** By the names that are imported. */
const ENTRIES: Readonly<Record<string, string>> = {
  rxlock: 'src/index.ts',
  'rxlock/memory': 'src/backends/memory/index.ts',
  'rxlock/etcd3': 'src/backends/etcd3/index.ts',
  'rxlock/node-etcd': 'src/backends/node-etcd/index.ts',
  'rxlock/testing': 'src/testing/index.ts',
  'rxlock/web-locks': 'src/web-locks/index.ts',
  'rxlock/microlock': 'src/microlock/index.ts',
};

export async function makeApi(): Promise<void> {
  const app = await Application.bootstrapWithPlugins({
    entryPoints: Object.values(ENTRIES).map((file) => join(ROOT, file)),
    tsconfig: join(ROOT, 'tsconfig.build.json'),
    plugin: ['typedoc-plugin-markdown'],
    // Where typedoc takes its default for the one or the other instead, it empties docs/.
    cleanOutputDir: false,
    out: OUT,
    outputs: [{ name: 'markdown', path: OUT }],
    readme: 'none',
    disableSources: false,
    excludePrivate: true,
    excludeInternal: true,
    logLevel: 'Error',
    ...{
      entryFileName: 'index',
      hidePageHeader: true,
      hideBreadcrumbs: true,
      useCodeBlocks: true,
      expandObjects: false,
    },
  });
  rmSync(OUT, { recursive: true, force: true });
  const project = await app.convert();
  if (!project) throw new Error('typedoc cannot read the sources: see above.');
  const names = Object.entries(ENTRIES);
  for (const child of project.children ?? []) {
    const named = names.find(([, file]) => child.sources?.[0]?.fullFileName === join(ROOT, file));
    if (named) child.name = named[0];
  }
  await app.generateOutputs(project);
  for (const file of readdirSync(OUT, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.md')) writeFileSync(join(OUT, file), withDiagrams(readFileSync(join(OUT, file), 'utf8')));
  }
}
