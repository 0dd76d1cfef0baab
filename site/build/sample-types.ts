/** Writes what TypeScript says of the samples: the places for the highlighter, the texts for the browser. */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { idOf, samplesOf, typed } from './types.js';
import type { TypedSample } from './types.js';

const MADE = join(import.meta.dirname, '../../site/.made');

export function makeSampleTypes(): void {
  const pages = readdirSync(MADE, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.md') && !file.startsWith('public'),
  );
  const samples = new Map(
    pages.flatMap((page) => samplesOf(readFileSync(join(MADE, page), 'utf8')).map((sample) => [sample, page] as const)),
  );
  const typesOf = typed([...samples.keys()]);
  const texts = join(MADE, 'public/types');
  rmSync(texts, { recursive: true, force: true });
  mkdirSync(texts, { recursive: true });
  const places: Record<string, TypedSample['names']> = {};
  const broken: string[] = [];
  for (const [sample, page] of samples) {
    const types = typesOf(sample);
    // What TypeDoc writes are mostly signatures, which are no programs.
    if (!types && !page.startsWith('api')) broken.push(`${page}:\n${sample}`);
    if (!types || types.names.length === 0) continue;
    places[idOf(sample)] = types.names;
    writeFileSync(join(texts, `${idOf(sample)}.json`), JSON.stringify(types.texts));
  }
  if (broken.length > 0) throw new Error(`Samples that do not compile:\n\n${broken.join('\n\n')}`);
  writeFileSync(join(MADE, 'types.json'), JSON.stringify(places));
}
