/**
 * What a person reads: the violations, the figures, and where the timeline is.
 */
import { Table } from 'console-table-printer';
import { violationsOf, RULES } from './checker.mjs';
import { figuresOf } from './figures.mjs';
import { historyOf } from './history.mjs';
import { partOf, timelineOf } from './timeline.mjs';

const SHOWN = 20;

/**
 * @param {object} given
 * @param {readonly import('./history.mjs').LogRecord[]} given.run
 * @param {readonly import('./observer.mjs').Change[]} given.changes
 * @param {Readonly<Record<string, readonly import('./history.mjs').LogRecord[]>>} given.clients
 * @param {{ from: number, until: number }} [given.part] what the picture is to show
 */
export function report({ run, changes, clients, part }) {
  const settings = run.find(({ type }) => type === 'settings');
  const history = historyOf({ ttl: settings.ttl, clients, run, changes });
  const violations = violationsOf(history);
  const figures = figuresOf(history);
  const counts = Object.keys(RULES).map((rule) => ({
    rule,
    violations: violations.filter((violation) => violation.rule === rule).length,
  }));
  const seconds = (t) => `${((t - history.from) / 1000).toFixed(3)} s`;
  const sentences = violations.map(({ rule, t, message }) => `${seconds(t)}  ${rule}: ${message}`);
  const { contender, setup = 'plain', seed, minutes, ttl } = settings;
  const title = `${contender}, set-up ${setup}, seed ${seed}, ${minutes} minutes of faults, ttl ${ttl} ms`;

  return {
    violations,
    text: [
      title,
      tableOf('figure', 'measured', Object.entries(figures)),
      tableOf(
        'rule',
        'violations',
        counts.map(({ rule, violations: count }) => [rule, String(count)]),
      ),
      ...sentences.slice(0, SHOWN).map((sentence) => sentence.split('\n')[0]),
      ...(sentences.length > SHOWN ? [`… and ${sentences.length - SHOWN} more, in violations.txt`] : []),
      violations.length === 0 ? 'No rule was violated.' : `${violations.length} violations.`,
    ].join('\n'),
    files: {
      'timeline.svg': timelineOf(part ? partOf(history, part) : history, violations),
      'figures.json': `${JSON.stringify({ ...settings, figures, violations: counts }, null, 2)}\n`,
      'violations.txt': sentences.map((sentence) => `${sentence}\n`).join(''),
      'report.md': asMarkdown(title, figures, counts, sentences),
    },
  };
}

function tableOf(name, value, rows) {
  const table = new Table({
    shouldDisableColors: true,
    columns: [
      { name: 'name', title: name, alignment: 'left' },
      { name: 'value', title: value, alignment: 'left', maxLen: 80 },
    ],
  });
  for (const [title, figure] of rows) table.addRow({ name: title, value: figure });
  return table.render();
}

const asMarkdown = (title, figures, counts, sentences) =>
  [
    `# ${title}`,
    '![timeline](timeline.svg)',
    [
      '| figure | measured |',
      '|---|---|',
      ...Object.entries(figures).map(([name, value]) => `| ${name} | ${value} |`),
    ].join('\n'),
    ['| rule | violations |', '|---|---|', ...counts.map(({ rule, violations }) => `| ${rule} | ${violations} |`)].join(
      '\n',
    ),
    ...(sentences.length > 0 ? [['```text', ...sentences, '```'].join('\n')] : []),
    '',
  ].join('\n\n');
