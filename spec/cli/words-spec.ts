/**
 * Help, completion, manual page and durations: what needs no server.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { given } from '../../src/cli/arguments.js';
import { COMMANDS, ENVIRONMENT, EXIT_CODES, GLOBAL } from '../../src/cli/commands.js';
import { milliseconds, shownDuration } from '../../src/cli/durations.js';
import { helpOf, overview } from '../../src/cli/help.js';
import { manualPage } from '../../src/cli/man.js';
import { shown } from '../../src/cli/say.js';
import { RXLOCK } from './terminal.js';

const rxlock = (...args: string[]): string => execFileSync(process.execPath, [RXLOCK, ...args], { encoding: 'utf8' });

describe('a duration', () => {
  it.each([
    ['200ms', 200],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
    ['0s', 0],
  ])('%s is %i ms', (text, ms) => expect(milliseconds('--wait', text)).toBe(ms));

  it.each(['5', '', 's', '-5s', '5 s', '5S', '1h30m', '5w', 'Infinity'])('%p is refused', (text) => {
    expect(() => milliseconds('--wait', text)).toThrow(
      /--wait is .*(has no unit: did you mean|give a number and a unit)/,
    );
  });

  it.each([
    [250, '250ms'],
    [90_000, '1m30s'],
    [5_400_000, '1h30m'],
    [90_061_000, '1d1h'],
  ])('%i ms is shown as %s', (ms, text) => expect(shownDuration(ms)).toBe(text));
});

describe('the help', () => {
  it.each([['rxlock', overview()], ...COMMANDS.map((command) => [command.name, helpOf(command)])])(
    'of %s fits a screen',
    (_, text = '') => {
      const lines = text.split('\n');
      expect(lines.length).toBeLessThanOrEqual(24);
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
    },
  );

  it('is asked for anywhere before --, and a command keeps its own flags', () => {
    expect(rxlock('run', '--help')).toContain('Usage: rxlock run');
    expect(rxlock('--help')).toContain('Usage: rxlock COMMAND');
    expect(given(['run', 'k', '--', 'ls', '--help', '-n']).toRun).toEqual(['ls', '--help', '-n']);
    expect(given(['--hosts', 'a', 'run', 'k', '-n', '--', 'ls']).operands).toEqual(['k']);
  });

  it('and the version are those of the package', () => {
    const manifest = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as { version: string };
    expect(rxlock('--version')).toBe(`${manifest.version}\n`);
  });
});

describe('completion', () => {
  /** What bash offers after these words. */
  const offered = (...words: string[]): string[] =>
    execFileSync(
      'bash',
      [
        '-c',
        `source <("$0" "$1" completion bash); shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rxlock; printf '%s\\n' "\${COMPREPLY[@]}"`,
        process.execPath,
        RXLOCK,
        'rxlock',
        ...words,
      ],
      { encoding: 'utf8' },
    )
      .trim()
      .split('\n');

  it('of bash offers commands, their flags, and what a flag takes', () => {
    expect(offered('r')).toEqual(['run', 'revoke']);
    expect(offered('run', 'k', '--at')).toEqual(['--at-most']);
    expect(offered('run', 'k', '--on-revoke', '')).toEqual(['term', 'usr1', 'ignore']);
    expect(offered('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  });

  it.each(['bash', 'zsh', 'fish'])('of %s knows every command and every flag', (shell) => {
    const script = rxlock('completion', shell);
    for (const { name } of COMMANDS) expect(script).toContain(name);
    for (const { name } of [...GLOBAL, ...COMMANDS.flatMap(({ flags }) => flags)]) {
      expect(script).toMatch(new RegExp(shell === 'fish' ? `-l ${name}\\b` : `--${name}\\b`));
    }
  });
});

describe('the manual page', () => {
  it('says all that help, exit codes and environment say', () => {
    const page = manualPage('1').replaceAll('\\-', '-');
    for (const { name, about, flags } of COMMANDS) {
      expect(page).toContain(`.SS ${name}\n`);
      expect(page).toContain(about.slice(1));
      for (const flag of flags) expect(page).toContain(`--${flag.name}`);
    }
    for (const [, meaning] of [...EXIT_CODES, ...ENVIRONMENT]) expect(page).toContain(meaning);
  });

  it('is part of what is built', () => {
    expect(readFileSync(join(__dirname, '../../dist/rxlock.1'), 'utf8')).toContain('.TH RXLOCK 1');
  });
});

it('a name from the server cannot move the cursor', () => {
  expect(shown('a\x1b[2J\u202Eb')).toBe('a\\u001b[2J\\u202eb');
  expect(shown('x'.repeat(10_000)).length).toBeLessThan(300);
});
