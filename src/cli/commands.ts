/**
 * All commands and flags: the only source of parsing, help, completion and the man page.
 */

export interface Flag {
  readonly name: string;
  readonly short?: string;
  /** The name of its value; not set for a switch. */
  readonly takes?: string;
  /** The possible values, for completion. */
  readonly words?: readonly string[];
  readonly about: string;
}

export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly about: string;
  /** More sentences for the help text. */
  readonly details: readonly string[];
  readonly flags: readonly Flag[];
  /** The number of arguments before `--`. */
  readonly operands: readonly [least: number, most: number];
  /** Whether a command to run follows after `--`. */
  readonly runs: boolean;
}

const grace: Flag = {
  name: 'grace',
  takes: 'TIME',
  about: 'from SIGTERM to SIGKILL (default: 2s)',
};
const wait: Flag = { name: 'wait', takes: 'TIME', about: 'how long to wait (default: for ever)' };
const noWait: Flag = { name: 'no-wait', short: 'n', about: 'do not wait: hold at once or exit with 75' };
const conflict: Flag = {
  name: 'conflict-exit-code',
  short: 'E',
  takes: 'CODE',
  about: 'exit with CODE instead of 75 if not acquired',
};
const atMost: Flag = { name: 'at-most', takes: 'TIME', about: 'end the command after this time' };
const onRevoke: Flag = {
  name: 'on-revoke',
  takes: 'WHAT',
  words: ['term', 'usr1', 'ignore'],
  about: 'at a request to release: term, usr1 or ignore',
};

export const GLOBAL: readonly Flag[] = [
  { name: 'hosts', takes: 'URLS', about: 'etcd, separated by commas ($ETCDCTL_ENDPOINTS)' },
  { name: 'cacert', takes: 'FILE', about: 'the authority of the server, PEM ($ETCDCTL_CACERT)' },
  { name: 'cert', takes: 'FILE', about: 'our certificate, PEM ($ETCDCTL_CERT)' },
  { name: 'key', takes: 'FILE', about: 'the key of our certificate, PEM ($ETCDCTL_KEY)' },
  { name: 'user', takes: 'NAME[:PASSWORD]', about: 'better kept in $ETCDCTL_USER' },
  { name: 'prefix', takes: 'TEXT', about: 'put before every key on the server' },
  { name: 'owner', takes: 'LABEL', about: 'what others see (default: host:pid)' },
  { name: 'ttl', takes: 'TIME', about: 'how long a dead holder keeps it (default: 10s)' },
  { name: 'json', about: 'NDJSON, also on a terminal' },
  { name: 'quiet', short: 'q', about: 'write errors only' },
  { name: 'help', short: 'h', about: 'this help, or that of a command' },
  { name: 'version', about: 'the version of rxlock' },
];

export const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    usage: 'run KEY… [FLAGS] -- COMMAND [ARGUMENT…]',
    about: 'runs a command while holding a lock',
    details: [
      'Several keys are held all or none. The command is not run by a shell.',
      'If the lock is being lost, the command gets SIGTERM --grace before the deadline and SIGKILL at it.',
      '--grace is a third of --ttl at most; its default is a fifth of a --ttl below 10s.',
    ],
    flags: [
      wait,
      noWait,
      conflict,
      {
        name: 'kind',
        takes: 'KIND',
        words: ['mutex', 'read', 'write', 'semaphore:'],
        about: 'mutex (default), read, write or semaphore:N',
      },
      grace,
      atMost,
      onRevoke,
    ],
    operands: [1, Infinity],
    runs: true,
  },
  {
    name: 'once',
    usage: 'once KEY [FLAGS] -- COMMAND [ARGUMENT…]',
    about: 'runs a command once in a fleet, and says who did it',
    details: [
      'Done is an exit code of 0, and stays so for --keep: until then nobody runs it.',
      'Where it is done already, exits with 0 and says who did it and when.',
      'A command that fails is not done: the next one runs it.',
    ],
    flags: [
      { name: 'keep', takes: 'TIME', about: 'how long it stays done (default: 2d)' },
      wait,
      noWait,
      conflict,
      grace,
      atMost,
      onRevoke,
    ],
    operands: [1, 1],
    runs: true,
  },
  {
    name: 'lead',
    usage: 'lead NAME [FLAGS] -- COMMAND [ARGUMENT…]',
    about: 'runs a command on one machine of many, with failover',
    details: [
      'Starts the command at each win and ends it at each loss, as `run` does, then stands for election again.',
      'Ends when the command ends by itself, with its exit code.',
    ],
    flags: [{ name: 'value', takes: 'TEXT', about: 'what others see while it leads (default: the owner)' }, grace],
    operands: [1, 1],
    runs: true,
  },
  {
    name: 'ls',
    usage: 'ls [PREFIX] [FLAGS]',
    about: 'lists who holds which lock',
    details: ['A table on a terminal, else NDJSON: one lock on each line.'],
    flags: [{ name: 'waiting', about: 'only locks that somebody waits for' }],
    operands: [0, 1],
    runs: false,
  },
  {
    name: 'watch',
    usage: 'watch KEY | PREFIX/ [FLAGS]',
    about: 'shows who holds what, live',
    details: ['A live table on a terminal, else NDJSON: one line for each change. Ends with Ctrl-C.'],
    flags: [],
    operands: [1, 1],
    runs: false,
  },
  {
    name: 'revoke',
    usage: 'revoke KEY --reason TEXT [FLAGS]',
    about: 'asks the holders to release a lock, and takes it from them',
    details: ['Shows the holders and asks before it does anything; where nobody can be asked, give --yes.'],
    flags: [
      { name: 'reason', takes: 'TEXT', about: 'why: the holder reads it' },
      { name: 'within', takes: 'TIME', about: 'then it is taken away (default: only ask)' },
      { name: 'token', takes: 'N', about: 'only from the holder with this fencing token' },
      { name: 'yes', short: 'y', about: 'do not ask' },
    ],
    operands: [1, 1],
    runs: false,
  },
  {
    name: 'check',
    usage: 'check [KEY] [FLAGS]',
    about: 'checks server, role, ttl, clock and space',
    details: [
      'Acquires and releases a lock named KEY (default: rxlock/check/OWNER), and asks each host for its health. Nobody may hold KEY.',
      'Exits with 1 if something would fail.',
    ],
    flags: [],
    operands: [0, 1],
    runs: false,
  },
  {
    name: 'completion',
    usage: 'completion bash | zsh | fish',
    about: 'prints the completion script of a shell',
    details: ['bash: source <(rxlock completion bash). fish: rxlock completion fish | source.'],
    flags: [],
    operands: [1, 1],
    runs: false,
  },
  {
    name: 'man',
    usage: 'man',
    about: 'prints the manual page (rxlock man | man -l -)',
    details: [],
    flags: [],
    operands: [0, 0],
    runs: false,
  },
];

/** The meanings of the exit codes, for help, man page and docs. */
export const EXIT_CODES: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'done. once: done already'],
  ['1', 'check: something would fail'],
  ['64', 'invalid arguments'],
  ['75', 'not acquired; -E gives another code. revoke: answered no'],
  ['124', 'the command was ended by rxlock: lock lost, asked to release, or --at-most'],
  ['125', 'rxlock itself failed, for example because the server cannot be reached'],
  ['126, 127', 'the command cannot be run, or is not there'],
  ['128+N', 'signal N ended the command, or rxlock while it waited'],
  ['other', "the command's own"],
];

/** The environment variables of the command that is run. */
export const ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  ['RXLOCK_KEY', 'the name of the lock; several keys are joined by " + "'],
  ['RXLOCK_KEYS', 'the keys, one on each line'],
  ['RXLOCK_TOKEN', 'the fencing token'],
  ['RXLOCK_OWNER', 'what others see'],
  ['RXLOCK_CLAIM', "the claim's key on the server, one on each line for several keys"],
  ['ETCD_LOCK_KEY, ETCD_LOCK_REV', 'as etcdctl lock sets them, where there is one key'],
];
