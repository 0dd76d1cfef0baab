/**
 * The output of rxlock: errors and notices on stderr, results on stdout; for people on a terminal, as NDJSON elsewhere.
 */
import type { Flags } from './arguments.js';

/** A value that JSON.stringify can write. */
export type Json = string | number | boolean | null | undefined | readonly Json[] | { readonly [name: string]: Json };

export interface Voice {
  /** Whether results are tables, for people. */
  readonly isForPeople: boolean;
  /** For a person at a terminal. Not printed without a terminal, since cron mails everything that is printed. */
  notice(text: string, about: { readonly [name: string]: Json }): void;
  /** Explains the exit code, so it is printed without a terminal, too. */
  outcome(text: string, about: { readonly [name: string]: Json }): void;
  /** Always printed. */
  error(text: string, about: { readonly [name: string]: Json }): void;
  /** Writes a line of a result; resolves when it is written, so that a slow reader slows us down. */
  line(text: string): Promise<void>;
  paint(colour: Colour, text: string): string;
}

const COLOURS = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const;
export type Colour = keyof typeof COLOURS;

export function voiceOf(flags: Flags): Voice {
  const { stdout, stderr, env } = process;
  const json = flags.has('json');
  const quiet = flags.has('quiet');
  const coloured = stdout.isTTY && !json && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  const say = (text: string, about: { readonly [name: string]: Json }): void => {
    stderr.write(json ? `${JSON.stringify({ ...about, message: text })}\n` : `rxlock: ${text}\n`);
  };
  return {
    isForPeople: stdout.isTTY && !json,
    notice: (text, about) => {
      if (!quiet && (json || stderr.isTTY)) say(text, about);
    },
    outcome: (text, about) => {
      if (!quiet) say(text, about);
    },
    error: say,
    line: (text) =>
      new Promise((resolve, reject) => {
        // The callback comes when the line is written: without it, a slow reader would fill our memory.
        stdout.write(`${text}\n`, (error) => (error ? reject(error) : resolve()));
      }),
    paint: (colour, text) => (coloured ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text),
  };
}

const LONGEST = 200;

/** A name from the server, safe for a terminal: others chose it, and it could contain escape sequences. */
export function shown(text: string): string {
  const safe = text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (one) => `\\u${(one.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
  return safe.length > LONGEST ? `${safe.slice(0, LONGEST)}…` : safe;
}
