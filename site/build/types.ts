/**
 * What TypeScript says of each name in the samples of the pages, for whoever points at it. Texts go to a file for each
 * sample, which is fetched when somebody points; the page itself has the places only.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { entriesOf } from './entries.js';

const ROOT = join(import.meta.dirname, '../..');

const OPTIONS: ts.CompilerOptions = {
  noEmit: true,
  strict: true,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  skipLibCheck: true,
  experimentalDecorators: true,
  types: ['node'],
  paths: Object.fromEntries(Object.entries(entriesOf()).map(([name, file]) => [name, [join(ROOT, file)]])),
};

/** A name in a sample, and which of its texts is about it. */
export interface TypedName {
  readonly start: number;
  readonly end: number;
  readonly text: number;
}

export interface TypedSample {
  readonly names: readonly TypedName[];
  /** The type, and the first paragraph of its documentation. */
  readonly texts: readonly (readonly [type: string, about: string])[];
}

/** A sample is known by its text, here and where it is highlighted. */
export const idOf = (sample: string): string =>
  createHash('sha256').update(sample.trimEnd()).digest('hex').slice(0, 12);

/** The samples in TypeScript of a page. */
export const samplesOf = (markdown: string): readonly string[] =>
  [...markdown.matchAll(/^([ \t]*)```ts\n([\s\S]*?)^[ \t]*```$/gm)].map(([, indent = '', code = '']) =>
    code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );

/** All samples by their ids; nothing for one that does not compile, such as a signature. */
export function typed(samples: readonly string[]): (sample: string) => TypedSample | undefined {
  const files = new Map(samples.map((sample) => [join(ROOT, `sample-${idOf(sample)}.ts`), sample]));
  // What the samples use without importing it; what they share is that they are modules.
  const ambient = [join(ROOT, 'spec/docs/names.d.ts'), join(ROOT, 'spec/support/node-etcd.d.ts')];
  const read = (file: string): string | undefined => {
    const sample = files.get(file);
    if (sample !== undefined) return `${sample}\nexport {};\n`;
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  };
  const service = ts.createLanguageService({
    getCompilationSettings: () => OPTIONS,
    getScriptFileNames: () => [...ambient, ...files.keys()],
    getScriptVersion: () => '1',
    getScriptSnapshot: (file) => {
      const text = read(file);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => ROOT,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (file) => files.has(file) || ts.sys.fileExists(file),
    readFile: read,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    realpath: ts.sys.realpath ?? ((path: string) => path),
  });
  return (sample) => {
    const file = join(ROOT, `sample-${idOf(sample)}.ts`);
    const problems = [...service.getSyntacticDiagnostics(file), ...service.getSemanticDiagnostics(file)];
    return problems.length > 0 ? undefined : typesIn(service, file, sample.trimEnd().length);
  };
}

function typesIn(service: ts.LanguageService, file: string, length: number): TypedSample {
  const names: TypedName[] = [];
  const texts: (readonly [string, string])[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && node.end <= length) {
      const start = node.getStart();
      const info = service.getQuickInfoAtPosition(file, start);
      if (info) names.push({ start, end: node.end, text: noted(texts, info) });
    }
    node.forEachChild(visit);
  };
  service.getProgram()?.getSourceFile(file)?.forEachChild(visit);
  return { names, texts };
}

/** A text is kept once, however often its name is there. */
function noted(texts: (readonly [string, string])[], info: ts.QuickInfo): number {
  const type = ts.displayPartsToString(info.displayParts).replace(/^\(alias\) ([\s\S]*)\nimport \w+$/, '$1');
  const [about = ''] = ts.displayPartsToString(info.documentation).split(/\n\s*\n|\n?```/);
  const plain = about
    .replaceAll(/\{@link (\S+?)\}/g, '$1')
    .replaceAll(/\s+/g, ' ')
    .trim();
  const known = texts.findIndex((text) => text[0] === type && text[1] === plain);
  return known >= 0 ? known : texts.push([type, plain]) - 1;
}
