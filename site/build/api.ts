/**
 * Makes the API reference from the docstrings, as pages of the site.
 */
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Application } from 'typedoc';
import { entriesOf } from './entries.js';
import { withDiagrams } from './marbles.js';

const ROOT = join(import.meta.dirname, '../..');
const OUT = join(ROOT, 'site/.made/api');

export async function makeApi(): Promise<void> {
  const entries = Object.entries(entriesOf());
  const app = await Application.bootstrapWithPlugins({
    entryPoints: entries.map(([, file]) => join(ROOT, file)),
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
  for (const child of project.children ?? []) {
    const named = entries.find(([, file]) => child.sources?.[0]?.fullFileName === join(ROOT, file));
    if (named) child.name = named[0];
  }
  await app.generateOutputs(project);
  for (const file of readdirSync(OUT, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.md')) writeFileSync(join(OUT, file), withDiagrams(readFileSync(join(OUT, file), 'utf8')));
  }
}
