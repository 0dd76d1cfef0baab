/**
 * Every example that a user can read compiles: those of the docstrings and those of the README and docs/.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';

jest.setTimeout(60_000);

const ROOT = join(__dirname, '../..');

const filesIn = (folder: string, ending: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => join(ROOT, folder, file));

/** What follows `@example` up to the next tag or the end of the comment, without its stars. */
const examplesOf = (source: string): string[] =>
  [...source.matchAll(/@example\n([\s\S]*?)(?=\n\s*\*\/|\n\s*\* @)/g)].map(([, text = '']) =>
    text.replace(/^\s*\* ?/gm, ''),
  );

const blocksOf = (markdown: string): string[] =>
  [...markdown.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = '']) => code);

describe('the examples', () => {
  it('compile', () => {
    const documents = [join(ROOT, 'README.md'), ...filesIn('docs', '.md')];
    const examples = [
      ...filesIn('src', '.ts').flatMap((file) =>
        examplesOf(readFileSync(file, 'utf8')).map((code) => [file, code] as const),
      ),
      ...documents.flatMap((file) => blocksOf(readFileSync(file, 'utf8')).map((code) => [file, code] as const)),
    ];
    expect(examples.length).toBeGreaterThan(12);

    const folder = mkdtempSync(join(tmpdir(), 'rxlock-examples-'));
    try {
      mkdirSync(join(folder, 'node_modules'));
      for (const name of [
        'rxjs',
        'rxjs-marbles',
        'tslib',
        'etcd3',
        '@types',
        '@nestjs',
        '@opentelemetry',
        'reflect-metadata',
      ]) {
        symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
      }
      symlinkSync(ROOT, join(folder, 'node_modules', 'rxlock'));
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
      copyFileSync(join(__dirname, 'names.d.ts'), join(folder, 'names.d.ts'));
      copyFileSync(join(ROOT, 'spec/support/node-etcd.d.ts'), join(folder, 'node-etcd.d.ts'));
      const files = examples.map(([file, code], index) => {
        const name = `example-${String(index)}.ts`;
        writeFileSync(join(folder, name), `// ${relative(ROOT, file)}\n${code}\nexport {};\n`);
        return name;
      });
      const options =
        '--noEmit --strict --target es2022 --lib es2022,esnext.disposable --module nodenext --skipLibCheck --experimentalDecorators --types node --ignoreConfig';
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
      const { stdout } = spawnSync(
        process.execPath,
        [tsc, ...options.split(' '), 'names.d.ts', 'node-etcd.d.ts', ...files],
        {
          cwd: folder,
          encoding: 'utf8',
        },
      );
      const complaints = examples.reduce(
        (text, [file], index) => text.replaceAll(`example-${String(index)}.ts`, relative(ROOT, file)),
        stdout,
      );
      expect(complaints).toBe('');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
