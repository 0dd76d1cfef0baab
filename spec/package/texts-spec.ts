/**
 * The words in the texts that users read: messages, events, help.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as ts from 'typescript';

const SRC = join(__dirname, '../../src');

/** A name of the package npm etcd3, of an entry of ours or of a file in a folder; with a space around it, a word. */
const isProperName = (text: string, index: number): boolean =>
  text.slice(0, index).endsWith('npm ') ||
  /[\w./-]$/.test(text.slice(0, index)) ||
  /^[\w./-]*\w/.test(text.slice(index + 5));

/** The texts of a file in which "etcd3" is the name of the server. */
function misnamedIn(file: string, source: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      const { text } = node;
      const words = [...text.matchAll(/etcd3/g)].filter(({ index }) => !isProperName(text, index));
      if (words.length > 0) found.push(`${file}: ${text}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.Latest));
  return found;
}

describe('the texts of src', () => {
  it('call the server etcd, and say etcd3 only of the npm package and of our entry', () => {
    expect(
      misnamedIn('a.ts', "import 'etcd3'; `etcd3 is ${1} of etcd3`; 'npm etcd3, rxlock/etcd3, etcd3Backend()'"),
    ).toEqual(['a.ts: etcd3 is ', 'a.ts:  of etcd3']);
    const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const misnamed = files.flatMap((file) => {
      const source = readFileSync(join(SRC, file), 'utf8');
      return source.includes('etcd3') ? misnamedIn(file, source) : [];
    });
    expect(misnamed).toEqual([]);
  });
});
