/**
 * The help texts: each fits a screen of 80 columns and 24 lines.
 */
import { COMMANDS, GLOBAL } from './commands.js';
import type { Command, Flag } from './commands.js';

const named = ({ name, short, takes }: Flag): string =>
  `${short === undefined ? '' : `-${short}, `}--${name}${takes === undefined ? '' : ` ${takes}`}`;

const table = (rows: readonly (readonly [string, string])[]): readonly string[] => {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
};

const flagRows = (flags: readonly Flag[]) => flags.map((flag) => [named(flag), flag.about] as const);

/** What `rxlock --help` prints. */
export const overview = (): string =>
  [
    'Usage: rxlock COMMAND [ARGUMENT…] [FLAGS]',
    ...table(COMMANDS.map(({ name, about }) => [name, about])),
    'Flags of all commands:',
    ...table(flagRows(GLOBAL)),
  ].join('\n');

/** What `rxlock COMMAND --help` prints. */
export const helpOf = ({ usage, about, details, flags }: Command): string =>
  [
    `Usage: rxlock ${usage}`,
    `${about.charAt(0).toUpperCase()}${about.slice(1)}.`,
    ...details.flatMap((text) => wrapped(text, 80)),
    ...(flags.length > 0 ? ['Flags:', ...table(flagRows(flags))] : []),
    'See rxlock --help for the flags of all commands, rxlock man for all the rest.',
  ].join('\n');

function wrapped(text: string, width: number): readonly string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + word.length < width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
