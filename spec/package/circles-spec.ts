/**
 * No circles among the files of src: neither of values, which the linter sees as well, nor of types, which it does not.
 * Two files that know each other's types can only be read, moved and understood together.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { preProcessFile } from 'typescript';

const SRC = join(__dirname, '../../src');

type Graph = ReadonlyMap<string, readonly string[]>;

/** What each file imports or re-exports of the others, `import type` included. */
const importsOf = (files: readonly string[], read: (file: string) => string): Graph =>
  new Map(
    files.map((file) => {
      const names = preProcessFile(read(file)).importedFiles.map(({ fileName }) => fileName);
      const own = names.filter((name) => name.startsWith('.'));
      return [file, own.map((name) => join(dirname(file), name).replace(/\.js$/, '.ts'))];
    }),
  );

/** The files of each circle, joined by arrows; each circle once. */
function circlesIn(graph: Graph): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const circles: string[] = [];
  const visit = (file: string): void => {
    const start = path.indexOf(file);
    if (start >= 0) return void circles.push([...path.slice(start), file].join(' -> '));
    if (done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return circles;
}

describe('the files of src', () => {
  it('import each other in no circle, types included', () => {
    const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const graph = importsOf(files, (file) => readFileSync(join(SRC, file), 'utf8'));
    const known = [...graph.values()].flat().filter((file) => graph.has(file));
    expect(known.length).toBeGreaterThan(500);
    expect(circlesIn(graph)).toEqual([]);
  });

  it('would be found in a circle, however it is made', () => {
    const sources: Record<string, string> = {
      'a.ts': "import type { B } from './b.js';",
      'b.ts': "export type { C } from './deep/c.js';",
      'deep/c.ts': "import { a } from '../a.js';",
      'd.ts': "import { a } from './a.js';",
    };
    const graph = importsOf(Object.keys(sources), (file) => sources[file] ?? '');
    expect(circlesIn(graph)).toEqual(['a.ts -> b.ts -> deep/c.ts -> a.ts']);
  });
});
