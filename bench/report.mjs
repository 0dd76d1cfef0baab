/**
 * What is printed and what is kept: where it was measured, the medians, the ratios, the targets and whether they are met.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { stripVTControlCharacters as stripAnsi } from 'node:util';
import ansis from 'ansis';
import { Table } from 'console-table-printer';

const load = createRequire(import.meta.url);
const { findEtcd } = load('../scripts/etcd.cjs');

const versionOf = (name) => JSON.parse(readFileSync(load.resolve(`${name}/package.json`), 'utf8')).version;

/** Where and with what it was measured. */
export function surroundings() {
  const [{ model } = { model: 'unknown' }] = cpus();
  const [etcd] = /[\d.]+/.exec(execFileSync(findEtcd(), ['--version'], { encoding: 'utf8' })) ?? ['unknown'];
  return {
    at: new Date().toISOString(),
    machine: { system: `${type()} ${release()}`, cpu: model.trim(), cores: cpus().length, memory: totalmem() },
    load: loadavg()[0],
    versions: {
      rxlock: versionOf('rxlock'),
      node: process.versions.node,
      'etcd server': etcd,
      rxjs: versionOf('rxjs'),
      etcd3: versionOf('etcd3'),
      'grpc-js': versionOf('@grpc/grpc-js'),
      'node-etcd': versionOf('node-etcd'),
      microlock: versionOf('microlock'),
      'redis-semaphore': versionOf('redis-semaphore'),
      redlock: versionOf('redlock'),
      ioredis: versionOf('ioredis'),
    },
  };
}

export function headerOf({ at, machine, load: busy, versions }) {
  const gigabytes = (machine.memory / 2 ** 30).toFixed(0);
  return [
    `${at}, ${machine.cores} x ${machine.cpu}, ${gigabytes} GB, ${machine.system}, load ${busy.toFixed(1)}`,
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  ].join('\n');
}

/** One scenario: its tables, then its targets. */
export function scenarioReport(name, title, { tables, targets, absent = {} }) {
  const missing = Object.entries(absent).map(([who, reason]) => `  ${ansis.dim('absent')}     ${who}: ${reason}`);
  const parts = [`\n${ansis.bold(name)}  ${title}`, ...tables.map(tableOf), ...missing, ...targets.map(targetLine)];
  return parts.join('\n');
}

/** Without `most` and `least` it is a figure to know, without a target. */
export function isMet({ most = Infinity, least = -Infinity, value, digits }) {
  // A count of something that happens once, such as the start of a watch, is rounded away where the target says so.
  const compared = digits === undefined ? value : Number(value.toFixed(digits));
  return compared <= most && compared >= least;
}

export const hasTarget = ({ most, least }) => most !== undefined || least !== undefined;

function tableOf({ name, unit, rows }) {
  const hasRequests = rows.some(({ requests }) => requests !== undefined);
  const hasNotes = rows.some(({ note }) => note);
  const table = new Table({
    shouldDisableColors: true,
    columns: [
      { name: 'name', title: name ?? '', alignment: 'left' },
      { name: 'median', title: unit, alignment: 'right' },
      { name: 'spread', title: 'middle half', alignment: 'right' },
      { name: 'ratio', title: 'ratio', alignment: 'right' },
      { name: 'ratioSpread', title: 'middle half of it', alignment: 'right' },
      { name: 'against', title: 'to', alignment: 'left' },
      ...(hasRequests ? [{ name: 'requests', title: 'requests', alignment: 'right' }] : []),
      ...(hasNotes ? [{ name: 'note', title: 'also', alignment: 'left' }] : []),
    ],
  });
  for (const { name: contender, rounds, ratio, against, requests, note } of rows) {
    table.addRow({
      name: contender,
      median: figure(rounds.median),
      spread: between(rounds),
      ratio: ratio ? figure(ratio.median) : '',
      ratioSpread: ratio ? between(ratio) : '',
      against: against ?? '',
      // A column that is not asked for would come by itself.
      ...(hasRequests && { requests: requests === undefined ? '' : figure(requests) }),
      ...(hasNotes && { note: note ?? '' }),
    });
  }
  return table.render();
}

function targetLine(target) {
  const { figure: what, most, least, value } = target;
  if (!hasTarget(target)) return `  ${ansis.dim('no target')}  ${what}: ${figure(value)}`;
  const wanted = most === undefined ? `at least ${least}` : `at most ${most}`;
  const verdict = isMet(target) ? ansis.green('met      ') : ansis.red('NOT MET  ');
  return `  ${verdict}  ${what}: ${figure(value)}, ${wanted}`;
}

const between = ({ low, high }) => `${figure(low)} .. ${figure(high)}`;

/** Three digits are more than a machine like this one can tell apart. */
const figure = (value) =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));

/** What is published, as a page. */
export function pageOf(scenarios, plots) {
  const sections = Object.entries(scenarios).map(([name, { measured, ...scenario }]) => {
    const report = stripAnsi(scenarioReport(name, scenario.title, scenario))
      .trim()
      .split('\n')
      .slice(1)
      .join('\n');
    return `## ${name}\n\n${scenario.title}.\n\n\`\`\`text\n${headerOf(measured)}\n\n${report}\n\`\`\``;
  });
  const pictures = plots.map((name) => `![${name}](${name}.svg)`);
  return `${[PREFACE, ...pictures, ...sections].join('\n\n')}\n`;
}

const PREFACE = `# Benchmarks

Written by \`npm run bench -- --publish\`; how to read it is in [bench/README.md](../../bench/README.md). Ratios count, times do not: contenders take turns on one machine, and the ratio is taken round by round.`;
