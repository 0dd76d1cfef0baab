/**
 * Real Nest applications, of each Nest that is to be had: app/scenarios.ts, each in a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { TITLES } from './app/titles.js';
import { NODE_OPTIONS, nestFolder } from './nests.js';

jest.setTimeout(60_000);

describe.each([10, 11, 12] as const)('with Nest %i', (version) => {
  const folder = nestFolder(version);
  const outcomes = new Map<string, string | undefined>();

  beforeAll(() => {
    const main = folder.compiled(...['scenarios', 'nest', 'titles'].map((name) => `spec/nestjs/app/${name}.ts`));
    const { stdout, stderr } = spawnSync(process.execPath, [...NODE_OPTIONS, main], { encoding: 'utf8' });
    for (const line of stdout.split('\n').filter((text) => text.startsWith('{'))) {
      const { title, error } = JSON.parse(line) as { title: string; error?: string };
      outcomes.set(title, error);
    }
    if (outcomes.size < TITLES.length) throw new Error(`ended early:\n${stdout}\n${stderr}`);
  });
  afterAll(() => folder.remove());

  it.each(TITLES)('%s', (title) => {
    expect(outcomes.get(title)).toBeUndefined();
  });
});
