/**
 * The worked examples of docs/testing.md, run as they stand there.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { transformSync } from '@swc/core';

const ROOT = join(__dirname, '../..');
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
    let compared = 0;
    const counting = (actual: unknown): { toEqual(expected: unknown): void } => ({
      toEqual: (expected) => {
        compared += 1;
        // Through JSON, since they come from another context.
        expect(JSON.parse(JSON.stringify(actual))).toEqual(JSON.parse(JSON.stringify(expected)));
      },
    });
    runInNewContext(script, { require: createRequire(join(ROOT, 'package.json')), exports: {}, expect: counting });
    expect(compared).toBeGreaterThan(0);
  });
});
