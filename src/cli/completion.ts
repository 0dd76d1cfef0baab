/**
 * `rxlock completion`: scripts for shells, made from the list of commands.
 */
import type { Given } from './arguments.js';
import { COMMANDS, GLOBAL } from './commands.js';
import type { Flag } from './commands.js';
import { EXIT, UsageError } from './exit.js';
import type { Voice } from './say.js';
import type { Signals } from './signals.js';

export async function completion({ operands: [shell = ''] }: Given, _: Signals, voice: Voice): Promise<number> {
  const script = new Map([
    ['bash', bash],
    ['zsh', zsh],
    ['fish', fish],
  ]).get(shell);
  if (!script) throw new UsageError(`There is no completion for ${JSON.stringify(shell)}: give bash, zsh or fish.`);
  await voice.line(script());
  return EXIT.done;
}

const SHELLS = ['bash', 'zsh', 'fish'];
const names = COMMANDS.map(({ name }) => name);
const allFlags = [...GLOBAL, ...COMMANDS.flatMap(({ flags }) => flags)];
const takesFile = (flag: Flag): boolean => flag.takes === 'FILE';
const spelled = (flags: readonly Flag[]): string =>
  flags.flatMap(({ name, short }) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]).join(' ');
const named = (flags: readonly Flag[]): string => [...new Set(flags.map(({ name }) => `--${name}`))].join('|');

/** After `--`, the completion of the command that is run. */
const bash = (): string => `# rxlock completion for bash: source <(rxlock completion bash)
_rxlock() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} == -- ]]; then
      if declare -F _command_offset >/dev/null; then _command_offset $((i + 1)); else COMPREPLY=($(compgen -c -f -- "$word")); fi
      return
    fi
    case \${COMP_WORDS[i]} in ${names.join('|')}) command=\${command:-\${COMP_WORDS[i]}} ;; esac
  done
  case $before in
    ${named(allFlags.filter(takesFile))}) COMPREPLY=($(compgen -f -- "$word")); return ;;
${allFlags
  .filter(({ words }) => words)
  .map(({ name, words = [] }) => `    --${name}) COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$word")); return ;;`)
  .join('\n')}
    ${named(allFlags.filter((flag) => flag.takes !== undefined && !takesFile(flag) && !flag.words))}) return ;;
  esac
  case $command in
    '') COMPREPLY=($(compgen -W '${[...names, spelled(GLOBAL)].join(' ')}' -- "$word")) ;;
    completion) COMPREPLY=($(compgen -W '${SHELLS.join(' ')}' -- "$word")) ;;
${COMMANDS.map(({ name, flags, runs }) => `    ${name}) COMPREPLY=($(compgen -W '${spelled([...flags, ...GLOBAL])}${runs ? ' --' : ''}' -- "$word")) ;;`).join('\n')}
  esac
}
complete -F _rxlock rxlock`;

const quoted = (text: string): string => text.replace(/'/g, `'\\''`).replace(/[[\]:]/g, '\\$&');

function zshFlag({ name, short, takes, words, about }: Flag): string {
  const value =
    takes === undefined ? '' : `:${takes}:${words ? `(${words.join(' ')})` : takes === 'FILE' ? '_files' : ''}`;
  const spec = `[${quoted(about)}]${quoted('').concat(value.replace(/'/g, ''))}`;
  const long = `'--${name}${spec}'`;
  return short === undefined ? long : `${long} '-${short}${spec}'`;
}

const zsh = (): string => `#compdef rxlock
# rxlock completion for zsh: rxlock completion zsh > a folder of $fpath/_rxlock
_rxlock() {
  local -a commands
  commands=(
${COMMANDS.map(({ name, about }) => `    '${name}:${quoted(about)}'`).join('\n')}
  )
  local separator=\${words[(i)--]}
  if (( separator < CURRENT )); then
    shift separator words
    (( CURRENT -= separator ))
    _normal
    return
  fi
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
    completion) _values shell ${SHELLS.join(' ')} ;;
${COMMANDS.filter(({ name }) => name !== 'completion')
  .map(
    ({ name, flags }) =>
      `    ${name})\n      _arguments ${[...flags, ...GLOBAL].map(zshFlag).join(' \\\n        ')} '*: :' ;;`,
  )
  .join('\n')}
  esac
}
compdef _rxlock rxlock`;

const fishQuoted = (text: string): string => `'${text.replace(/['\\]/g, '\\$&')}'`;

function fishFlag({ name, short, takes, words, about }: Flag, command: string | undefined): string {
  const condition = command === undefined ? '' : ` -n '__fish_seen_subcommand_from ${command}'`;
  const value =
    takes === undefined
      ? ''
      : takesFile({ name, takes, about })
        ? ' -r -F'
        : words
          ? ` -x -a '${words.join(' ')}'`
          : ' -x';
  return `complete -c rxlock${condition} -l ${name}${short === undefined ? '' : ` -s ${short}`}${value} -d ${fishQuoted(about)}`;
}

const fish = (): string =>
  [
    '# rxlock completion for fish: rxlock completion fish > ~/.config/fish/completions/rxlock.fish',
    'complete -c rxlock -f',
    ...COMMANDS.map(
      ({ name, about }) => `complete -c rxlock -n '__fish_use_subcommand' -a ${name} -d ${fishQuoted(about)}`,
    ),
    `complete -c rxlock -n '__fish_seen_subcommand_from completion' -a '${SHELLS.join(' ')}'`,
    ...GLOBAL.map((flag) => fishFlag(flag, undefined)),
    ...COMMANDS.flatMap(({ name, flags }) => flags.map((flag) => fishFlag(flag, name))),
  ].join('\n');
