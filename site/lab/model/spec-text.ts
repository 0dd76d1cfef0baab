/**
 * A run as the text of a spec: the same clients, the same faults, what each contender was told as its expectation.
 */
import type { Contention, Program, Step } from './program.js';
import { programOf } from './program.js';
import { runRxlock } from './run-rxlock.js';
import type { Letter } from './run-rxlock.js';
import { KEEP, PERMITS } from './schedule.js';
import type { Schedule } from './schedule.js';
import { toFragment } from './url.js';

const quoted = (text: string): string => `'${text}'`;

/** A wait in a diagram: dashes as long as one can count them, else a number. */
const waited = (ticks: number): string => (ticks <= 6 ? '-'.repeat(ticks) : `${ticks}ms `);

/** What was told, as a marble diagram of RxJS. */
function diagramOf(letters: readonly Letter[]): string {
  const ticks = [...new Set(letters.map(({ at }) => at))];
  let reached = 0;
  let text = '';
  for (const tick of ticks) {
    const here = letters.filter(({ at }) => at === tick).map(({ letter }) => letter);
    const before = waited(tick - reached);
    const gap = text === '' || !/\dms $/.test(before) ? '' : ' ';
    const group = here.length === 1 ? here.join('') : `(${here.join('')})`;
    text += `${gap}${before}${group}`;
    reached = tick + group.length;
  }
  return text;
}

/** From when to when the lab looks at it, as a subscription diagram. */
function subscriptionOf({ at, leaveAt }: Contention, end: number): string {
  const lasts = (leaveAt ?? end) - at;
  const before = at === 0 ? '' : `${at}ms `;
  if (lasts === 0) return `${before}(^!)`;
  return lasts === 1 ? `${before}^!` : `${before}^ ${lasts - 1}ms !`;
}

function lockText({ process, kind, keys }: Contention): string {
  const [key = ''] = keys;
  switch (kind) {
    case 'mutex':
      return `${process.id}.mutex(${quoted(key)})`;
    case 'read':
      return `${process.id}.readLock(${quoted(key)})`;
    case 'write':
      return `${process.id}.writeLock(${quoted(key)})`;
    case 'semaphore':
      return `${process.id}.semaphore(${quoted(key)}, ${PERMITS})`;
    case 'once':
      return `${process.id}.once<string>(${quoted(key)}, { keep: ${KEEP} })`;
    case 'all':
      return `${process.id}.all(${keys.map((name) => `${process.id}.mutex(${quoted(name)})`).join(', ')})`;
  }
}

function stepText(step: Step): string {
  if (step.verb === 'expire') return `at(${step.at}, () => server.expire(${quoted(step.key)}));`;
  const { at, process, amount } = step;
  const call = (text: string): string => `at(${at}, () => ${process.id}.${text});`;
  switch (step.verb) {
    case 'cut':
      return call('network.partition()');
    case 'heal':
      return call('network.heal()');
    case 'delay':
      return call(`network.delayReplies(${amount})`);
    case 'freeze':
      return call(`pauseClient(${amount})`);
    case 'clock':
      return call(`setClock(${amount})`);
    case 'kill':
      return `at(${at}, () => {
      ${process.id}.network.partition();
      ${process.id}.pauseClient(Infinity);
    });`;
  }
}

function expectationText(wanted: Contention, letters: readonly Letter[], end: number): string {
  const options = wanted.wait === undefined ? '' : `, { wait: ${wanted.wait} }`;
  const body = `work(${wanted.process.id}, ${wanted.work})`;
  const lock = lockText(wanted);
  // Of work that is done once, the others get the last value: who has done it.
  const work =
    wanted.kind === 'once'
      ? `runOnce(${lock}, () => ${body}.pipe(endWith(${quoted(wanted.process.name)}))${options}).pipe(errorCodes())`
      : `${body}.pipe(withLock(${lock}${options}), errorCodes())`;
  const code = letters.find(({ letter }) => letter === '#')?.code;
  const error = code === undefined ? '' : `, undefined, ${quoted(code)}`;
  const name = `told${wanted.id + 1}$`;
  return `const ${name} = ${work};
    expectObservable(${name}, ${quoted(subscriptionOf(wanted, end))}).toBe(${quoted(diagramOf(letters))}${error});`;
}

const names = (...all: readonly (string | false)[]): string => all.filter((name) => name !== false).join(', ');

function programText(program: Program, letters: readonly (readonly Letter[])[], title: string): string {
  const { schedule, processes, steps, contentions } = program;
  const { latency, ttl, margin, end } = schedule;
  const clients = processes.map(
    ({ id }) => `const ${id} = server.client({ owner: ${quoted(id)}, ttl: ${ttl}, safetyMargin: ${margin} });`,
  );
  const hasOnce = contentions.some(({ kind }) => kind === 'once');
  const hasLock = contentions.some(({ kind }) => kind !== 'once');
  const body = [
    `const server = lockServer(scheduler, { latency: ${latency} });`,
    ...clients,
    ...steps.map(stepText),
    ...contentions.map((wanted) => expectationText(wanted, letters[wanted.id] ?? [], end)),
  ];
  return `// Made by the lock lab: #${toFragment(schedule)}
import { expect, it } from '@jest/globals';
import { ${names(hasOnce && 'endWith', 'ignoreElements', 'startWith', 'timer')} } from 'rxjs';
import type { Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { ${names(hasOnce && 'runOnce', hasLock && 'withLock')} } from 'rxlock';
import { errorCodes, lockServer } from 'rxlock/testing';
import type { TestClient } from 'rxlock/testing';

/** Works for so long in the process of the client: \`h\` when it begins. */
const work = (client: TestClient, ms: number): Observable<string> =>
  timer(ms, client.scheduler).pipe(ignoreElements(), startWith('h'));

it(${quoted(title)}, () => {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  ${steps.length === 0 ? '' : 'const at = (tick: number, action: () => void): unknown => scheduler.schedule(action, tick);\n  '}scheduler.run(({ expectObservable }) => {
    ${body.join('\n    ')}
  });
});
`;
}

/** The spec of a schedule: what the real engine did in the lab, it has to do again. */
export function specText(schedule: Schedule, title = 'does what it did in the lock lab'): string {
  const program = programOf(schedule);
  return programText(program, runRxlock(program).letters, title);
}
