/**
 * `rxlock man`: the manual page, made from the list of commands.
 */
import type { Given } from './arguments.js';
import { COMMANDS, ENVIRONMENT, EXIT_CODES, GLOBAL } from './commands.js';
import type { Flag } from './commands.js';
import { EXIT } from './exit.js';
import type { Voice } from './say.js';
import type { Signals } from './signals.js';
import { version } from './version.js';

export async function man(_given: Given, _signals: Signals, voice: Voice): Promise<number> {
  await voice.line(manualPage(await version()));
  return EXIT.done;
}

/**
 * Escapes text for roff: a backslash, and a dot or an apostrophe at the start of a line, would be commands; a bare
 * hyphen would become a typographic one.
 */
const text = (plain: string): string => plain.replace(/\\/g, '\\e').replace(/-/g, '\\-').replace(/^[.']/gm, '\\&$&');

const bold = (plain: string): string => `\\fB${text(plain)}\\fR`;
const item = (term: string, about: string): string => `.TP\n${term}\n${text(about)}`;
const flagItem = ({ name, short, takes, about }: Flag): string =>
  item(
    `${short === undefined ? '' : `${bold(`-${short}`)}, `}${bold(`--${name}`)}${takes === undefined ? '' : ` \\fI${text(takes)}\\fR`}`,
    about,
  );

const RULES = [
  'Signals that rxlock gets go to the process group of the command, from the first instant on; while it waits for the lock, a signal ends it, and nothing is left behind on the server.',
  'The lock is given back only after the command has exited, and after what it left behind in its process group has been ended.',
  'The command is dead before anybody else can hold the lock: SIGTERM at --grace before the deadline, SIGKILL to the group at the deadline, and at once if the lock is lost sooner. That is seen to by a second process, the guardian, which also ends the command if rxlock is killed, or stopped past the deadline.',
  'On a terminal the command has the foreground, and Ctrl-Z is ignored. Standard input, output and error are those of the command; what rxlock itself says goes to standard error.',
  'Durations have a unit: ms, s, m, h or d.',
];

/** roff, man(7). */
export const manualPage = (of: string): string =>
  [
    `.TH RXLOCK 1 "" "rxlock ${of}" "User Commands"`,
    '.SH NAME',
    'rxlock \\- locks on etcd, for commands and scripts',
    '.SH SYNOPSIS',
    ...COMMANDS.flatMap(({ usage }, i) => [...(i > 0 ? ['.br'] : []), `${bold('rxlock')} ${text(usage)}`]),
    '.SH DESCRIPTION',
    ...RULES.flatMap((rule) => ['.PP', text(rule)]),
    '.SH COMMANDS',
    ...COMMANDS.flatMap(({ name, about, details, flags }) => [
      `.SS ${name}`,
      text(`${about.charAt(0).toUpperCase()}${about.slice(1)}.`),
      ...details.map(text),
      ...flags.map(flagItem),
    ]),
    '.SH OPTIONS OF ALL COMMANDS',
    ...GLOBAL.map(flagItem),
    '.SH EXIT STATUS',
    ...EXIT_CODES.map(([code, meaning]) => item(bold(code), meaning)),
    '.SH ENVIRONMENT',
    text('The command that is run finds:'),
    ...ENVIRONMENT.map(([name, meaning]) => item(bold(name), meaning)),
    '.PP',
    text(
      'rxlock itself reads ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY, ETCDCTL_USER, ETCDCTL_PASSWORD and NO_COLOR.',
    ),
    '.SH SEE ALSO',
    'etcdctl(1), flock(1), timeout(1)',
  ].join('\n');
