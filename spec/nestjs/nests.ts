/**
 * A folder for each Nest in which an application finds that one, and the package as it was built.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { transformSync } from '@swc/core';

const ROOT = join(__dirname, '../..');
const MODULES = join(ROOT, 'node_modules');

/** Where `npm install` has put each of them. */
const NESTS = {
  10: { common: 'nestjs-common-10', core: 'nestjs-core-10', schedule: '@nestjs/schedule' },
  11: { common: '@nestjs/common', core: '@nestjs/core', schedule: '@nestjs/schedule' },
  12: { common: 'nestjs-common-12', core: 'nestjs-core-12', schedule: 'nestjs-schedule-12' },
} as const;

export interface NestFolder {
  /** Files compiled as users compile theirs, decorators and all; the path of the first. */
  compiled(...files: string[]): string;
  remove(): void;
}

/** What a process needs, so that packages find each other in the folder and not where npm has put them. */
export const NODE_OPTIONS = ['--preserve-symlinks', '--preserve-symlinks-main', '--no-warnings'];

export function nestFolder(version: keyof typeof NESTS): NestFolder {
  // Below node_modules, so that all else is found there.
  const folder = mkdtempSync(join(MODULES, `.rxlock-nest-${version}-`));
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@nestjs'), { recursive: true });
  for (const [name, installed] of Object.entries(NESTS[version])) {
    symlinkSync(join(MODULES, installed), join(modules, '@nestjs', name));
  }
  mkdirSync(join(modules, 'rxlock'));
  for (const part of ['dist', 'package.json']) symlinkSync(join(ROOT, part), join(modules, 'rxlock', part));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  return {
    compiled(...files) {
      const [first = ''] = files.map((file) => {
        const name = `${/([^/]+)\.ts$/.exec(file)?.[1] ?? 'main'}.js`;
        writeFileSync(join(folder, name), compile(join(ROOT, file)));
        return join(folder, name);
      });
      return first;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const compile = (file: string): string =>
  transformSync(readFileSync(file, 'utf8'), {
    filename: file,
    swcrc: false,
    configFile: false,
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    },
    module: { type: 'es6' },
  }).code;
