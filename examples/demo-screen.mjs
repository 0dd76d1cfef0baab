/**
 * What the demo shows: who holds which line, as observers see it, and the account at the end.
 */
import ansis from 'ansis';

const COLOURS = [ansis.cyan, ansis.yellow, ansis.magenta, ansis.blue, ansis.green];

export function createScreen({ workers, tasks, title }) {
  const started = performance.now();
  const seconds = () => ((performance.now() - started) / 1000).toFixed(2).padStart(6);
  const colourOf = (worker) => COLOURS[workers.indexOf(worker) % COLOURS.length] ?? ansis.white;
  const column = (worker) => colourOf(worker)(worker.padEnd(5));
  const say = (worker, sign, text) => console.log(`${ansis.dim(`${seconds()} s`)}  ${column(worker)} ${sign} ${text}`);
  const quote = ({ number, line }) => `line ${String(number).padStart(2)}  ${ansis.dim(line.slice(0, 44))}`;

  console.log(`\n${ansis.bold(title)}`);
  console.log(
    ansis.dim(`${tasks.length} lines, one task each; ${workers.map(column).join(' ')} each want all of them.\n`),
  );

  return {
    holds: (worker, task, token) =>
      say(worker, ansis.green('●'), `holds ${quote(task)} ${ansis.dim(`token ${token}`)}`),
    dies: (worker, task) =>
      say(worker, ansis.red('✗'), ansis.red(`dies on line ${task.number}: worked on, not marked`)),
    takesOver: (worker, from, task, ms) =>
      say(
        worker,
        ansis.bold('↪'),
        ansis.bold(`line ${task.number} handed over, ${(ms / 1000).toFixed(2)} s after ${from} died`),
      ),

    /** @param doneBy for each task, in order, the workers that marked it done */
    account(doneBy, { reader, ttl, handovers }) {
      console.log('');
      for (const [index, names] of doneBy.entries()) {
        const who = names.map(column).join(' ') || ansis.red('nobody');
        console.log(`  ${String(index + 1).padStart(3)}  ${who}  ${ansis.dim(tasks[index].line)}`);
      }
      const once = doneBy.filter((names) => names.length === 1).length;
      const fine = once === tasks.length;
      const shares = workers.map(
        (worker) => `${column(worker).trimEnd()} ${doneBy.flat().filter((name) => name === worker).length}`,
      );
      console.log(`\n  ${shares.join('   ')}`);
      for (const { ms } of handovers)
        console.log(
          `  hand-over after the death: ${(ms / 1000).toFixed(2)} s, with a ttl of ${(ttl / 1000).toFixed(0)} s`,
        );
      const verdict = `${once} of ${tasks.length} lines done exactly once, ${reader}`;
      console.log(`  ${fine ? ansis.green.bold(`✓ ${verdict}`) : ansis.red.bold(`✗ ${verdict}`)}\n`);
      return fine;
    },
  };
}
