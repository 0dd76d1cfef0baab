/**
 * Marks the names of a sample whose types are known, while it is highlighted.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { MarkdownOptions } from 'vitepress';
import { idOf } from './types.js';
import type { TypedName } from './types.js';

type Transformer = NonNullable<MarkdownOptions['codeTransformers']>[number];

/** @param file as `sample-types.ts` has written it */
export function typePlaces(file: string): Transformer {
  let all: Readonly<Record<string, readonly TypedName[]>> | undefined;
  const placesOf = (code: string): readonly TypedName[] => {
    // What JSON.parse gives is what our own build has written.
    all ??= existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as NonNullable<typeof all>) : {};
    return all[idOf(code)] ?? [];
  };
  return {
    name: 'types',
    preprocess(code, options) {
      if (options.lang !== 'ts') return;
      const marks = placesOf(code).map(({ start, end, text }) => ({ start, end, properties: { 'data-t': text } }));
      if (marks.length > 0) options.decorations = [...(options.decorations ?? []), ...marks];
    },
    pre(node) {
      if (this.options.lang === 'ts' && placesOf(this.source).length > 0) {
        node.properties['data-types'] = idOf(this.source);
      }
    },
  };
}
