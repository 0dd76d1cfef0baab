/**
 * The worked examples of docs/testing.md, run as they stand there, on the sources.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { transformSync } from '@swc/core';
import * as rxlock from '../../src/index.js';
import * as testing from '../../src/testing/index.js';

const ROOT = join(__dirname, '../..');
const installed = createRequire(join(ROOT, 'package.json'));
const ours = new Map<string, unknown>([
  ['rxlock', rxlock],
  ['rxlock/testing', testing],
]);
const text = readFileSync(join(ROOT, 'docs/testing.md'), 'utf8');
const examples = [...text.matchAll(/## (\d\. .+)\n[\s\S]*?```ts\n([\s\S]*?)```/g)].map(([, title = '', code = '']) => ({
  title,
  code,
}));

describe('the worked examples of docs/testing.md', () => {
  it('are three', () => {
    expect(examples).toHaveLength(3);
  });

  it.each(examples)('$title', ({ code }) => {
    const { code: script } = transformSync(code, {
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'commonjs' },
    });
    runInNewContext(script, {
      require: (name: string): unknown => ours.get(name) ?? installed(name),
      exports: {},
      expect: (actual: unknown) => ({
        // Through JSON, since they come from another context.
        toEqual: (expected: unknown) =>
          expect(JSON.parse(JSON.stringify(actual))).toEqual(JSON.parse(JSON.stringify(expected))),
      }),
      it: (_: string, body: () => void) => body(),
    });
    expect(expect.getState().assertionCalls).toBeGreaterThan(0);
  });
});
