/**
 * From the arguments to the exit code.
 */
import { Flags, given } from './arguments.js';
import type { Given } from './arguments.js';
import { EXIT, codeFor } from './exit.js';
import { codeOf } from './group.js';
import { helpOf, overview } from './help.js';
import { voiceOf } from './say.js';
import type { Voice } from './say.js';
import type { Signals } from './signals.js';
import { version } from './version.js';

type Subcommand = (given: Given, signals: Signals, voice: Voice) => Promise<number>;

/** Loaded on demand: a help text needs no etcd client. */
const SUBCOMMANDS: Readonly<Record<string, () => Promise<Subcommand>>> = {
  run: async () => (await import('./run.js')).run,
  once: async () => (await import('./once.js')).once,
  lead: async () => (await import('./lead.js')).lead,
  ls: async () => (await import('./ls.js')).ls,
  watch: async () => (await import('./watch.js')).watch,
  revoke: async () => (await import('./revoke.js')).revoke,
  check: async () => (await import('./check.js')).check,
  completion: async () => (await import('./completion.js')).completion,
  man: async () => (await import('./man.js')).man,
};

/** Resolves with the exit code; never rejects. */
export async function main(argv: readonly string[], signals: Signals): Promise<number> {
  // The reader may have ended, as in `rxlock ls | head`: that is no failure.
  process.stdout.on('error', (error) => process.exit(codeOf(error) === 'EPIPE' ? EXIT.done : EXIT.failed));
  let voice = voiceOf(new Flags(new Map(argv.includes('--json') ? [['json', true]] : [])));
  try {
    const read = given(argv);
    voice = voiceOf(read.flags);
    const { command, flags } = read;
    if (flags.has('version')) return await printed(voice, await version());
    if (flags.has('help') || !command) return await printed(voice, command ? helpOf(command) : overview());
    const subcommand = await SUBCOMMANDS[command.name]?.();
    if (!subcommand) throw new TypeError(`${command.name} is documented and not there`);
    return await subcommand(read, signals, voice);
  } catch (error) {
    const code = codeFor(error);
    const message = error instanceof Error ? error.message : String(error);
    voice.error(message, { event: 'failed', exit: code });
    return code;
  }
}

async function printed(voice: Voice, text: string): Promise<number> {
  await voice.line(text);
  return EXIT.done;
}
