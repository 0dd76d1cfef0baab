/**
 * Parses the command line: the subcommand, its operands, its flags, and the command to run.
 */
import { parseArgs } from 'node:util';
import { COMMANDS, GLOBAL } from './commands.js';
import type { Command, Flag } from './commands.js';
import { milliseconds } from './durations.js';
import { UsageError } from './exit.js';

/** The flags as given. */
export class Flags {
  readonly #values: ReadonlyMap<string, string | true>;

  constructor(values: ReadonlyMap<string, string | true>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return value === true ? undefined : value;
  }

  /** Milliseconds. */
  duration(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : milliseconds(`--${name}`, text);
  }

  /** A whole number within bounds. */
  whole(name: string, most: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (/^\d+$/.test(text) && Number(text) <= most) return Number(text);
    throw new UsageError(`--${name} is ${JSON.stringify(text)}: give a whole number from 0 to ${most}.`);
  }

  /** One of some words. */
  word<W extends string>(name: string, words: readonly W[], fallback: W): W {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const word = words.find((one) => one === text);
    if (word !== undefined) return word;
    throw new UsageError(`--${name} is ${JSON.stringify(text)}: give one of ${words.join(', ')}.`);
  }
}

export interface Given {
  readonly command: Command | undefined;
  readonly operands: readonly string[];
  readonly flags: Flags;
  /** The arguments after `--`. */
  readonly toRun: readonly string[];
}

/** @throws UsageError that says what to write instead */
export function given(argv: readonly string[]): Given {
  const end = argv.indexOf('--');
  const ours = end < 0 ? argv : argv.slice(0, end);
  const toRun = end < 0 ? [] : argv.slice(end + 1);
  const command = COMMANDS.find(({ name }) => name === firstOperand(ours));
  const { operands, flags } = parsed(ours, [...GLOBAL, ...(command?.flags ?? [])]);
  if (flags.has('help') || flags.has('version')) return { command, operands, flags, toRun };
  if (!command) throw unknown(operands[0]);

  const rest = operands.slice(1);
  const [least, most] = command.operands;
  const usage = `Usage: rxlock ${command.usage}`;
  if (command.runs && end < 0) throw new UsageError(`Put -- before the command that is to be run. ${usage}`);
  if (command.runs && (toRun[0] ?? '') === '') throw new UsageError(`After -- there is no command to run. ${usage}`);
  if (!command.runs && end >= 0) throw new UsageError(`"${command.name}" runs no command. ${usage}`);
  if (rest.length < least) throw new UsageError(`An argument is missing. ${usage}`);
  if (rest.length > most) throw new UsageError(`${JSON.stringify(rest[most])} is one argument too many. ${usage}`);
  return { command, operands: rest, flags, toRun };
}

function unknown(name: string | undefined): UsageError {
  const names = COMMANDS.map((command) => command.name).join(', ');
  return new UsageError(
    name === undefined
      ? `Say what to do: ${names}. See rxlock --help.`
      : `There is no ${JSON.stringify(name)}: give one of ${names}.`,
  );
}

/** The first argument that is neither a flag nor the value of a global flag: flags may come before the subcommand. */
function firstOperand(argv: readonly string[]): string | undefined {
  const takers = new Set(GLOBAL.filter(({ takes }) => takes).map(({ name }) => `--${name}`));
  return argv.find((text, i) => !text.startsWith('-') && !takers.has(argv[i - 1] ?? ''));
}

function parsed(args: readonly string[], known: readonly Flag[]): { operands: string[]; flags: Flags } {
  const options = Object.fromEntries(
    known.map(({ name, short, takes }) => [
      name,
      { type: takes ? ('string' as const) : ('boolean' as const), ...(short !== undefined && { short }) },
    ]),
  );
  const { positionals, tokens } = parse(args, options);
  const values = new Map<string, string | true>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    if (values.has(token.name)) throw new UsageError(`${token.rawName} is given twice.`);
    values.set(token.name, token.value ?? true);
  }
  return { operands: positionals, flags: new Flags(values) };
}

type Options = Record<string, { type: 'string' | 'boolean'; short?: string }>;

function parse(args: readonly string[], options: Options) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, tokens: true });
  } catch (error) {
    // The first sentence of the message names the flag; the rest is about positional arguments, and does not apply
    // here.
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${message.split('. ')[0] ?? message}. See rxlock --help.`, { cause: error });
  }
}
