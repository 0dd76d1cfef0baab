/**
 * The diagrams of docs/marbles.md: drawn for the site, and run as they stand there.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { map, mergeMap } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { drawDiagram, readDiagram, withDiagrams } from '../../site/build/marbles.js';
import type { Diagram } from '../../site/build/marbles.js';
import { TIMES, atFrame, codes, events, letters, seen, serverOf } from '../support/marbles.js';

const TEXT = readFileSync(join(__dirname, '../../docs/marbles.md'), 'utf8');

const blocksOf = (markdown: string): readonly string[] =>
  [...markdown.matchAll(/```text\n([\s\S]*?)```/g)].flatMap(([, block = '']) => block.split(/\n\s*\n/));

const BLOCKS = blocksOf(TEXT);

/** The rows of a diagram below a heading, by their labels. */
function rowsOf(heading: string, place = 0): (label: string) => string {
  const section = TEXT.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  const diagram = readDiagram(blocksOf(section)[place] ?? '');
  return (label) => {
    const row = diagram?.rows.find((one) => one.label === label);
    if (!row) throw new Error(`docs/marbles.md has no "${label}" below "${heading}".`);
    return row.cells.map(({ text }) => text).join('');
  };
}

describe('the diagrams of docs/marbles.md', () => {
  it('are drawn, all but the table of pipelines, with their text beside them', () => {
    const left = BLOCKS.filter((block) => !readDiagram(block));
    expect(left.map((block) => block.split(' ')[0])).toEqual(['jobs']);
    expect(withDiagrams(TEXT).match(/<svg /g)).toHaveLength(BLOCKS.length - 1);
  });

  it('show each letter as a marble, at its column', () => {
    const block = 'lock     --h----x   h: held\ninner      --a|\nresult   ----a---#\n';
    const diagram: Diagram | undefined = readDiagram(block);
    expect(diagram).toEqual({
      rows: [
        { label: 'lock', cells: [{ column: 0, text: '--h----x' }], comment: 'h: held' },
        { label: 'inner', cells: [{ column: 2, text: '--a|' }], comment: '' },
        { label: 'result', cells: [{ column: 0, text: '----a---#' }], comment: '' },
      ],
      columns: 9,
    });
    const drawn = diagram ? drawDiagram(diagram, block) : '';
    expect(drawn.match(/<circle /g)).toHaveLength(4);
    expect(drawn.match(/class="m-error"/g)).toHaveLength(1);
    expect(drawn).toContain('aria-label="lock     --h----x   h: held&#10;');
  });

  it(
    'run as they stand: two contenders',
    marbles((m) => {
      const row = rowsOf('Two contenders');
      const server = serverOf(m);
      const [a, b, observer] = [server.client(TIMES), server.client(TIMES), server.client(TIMES)];
      m.expect(letters(a.mutex('k').lock$()), row('a, subscribed')).toBeObservable(row('a'));
      m.expect(letters(b.mutex('k').lock$()), row('b, subscribed')).toBeObservable(row('b'));
      m.expect(seen(observer.mutex('k').ownership$()), `^${'-'.repeat(row('ownership$').length)}!`).toBeObservable(
        row('ownership$'),
      );
    }),
  );

  it(
    'run as they stand: renewal',
    marbles((m) => {
      const row = rowsOf('Renewal');
      const a = serverOf(m).client(TIMES);
      const subscribed = `^${'-'.repeat(row('lock$').length - 2)}!`;
      m.expect(letters(a.mutex('k').lock$()), subscribed).toBeObservable(row('lock$'));
      m.expect(events(a.events$, { renewed: 'r' }), subscribed).toBeObservable(row('renewed'));
    }),
  );

  it(
    'run as they stand: loss',
    marbles((m) => {
      const row = rowsOf('Loss');
      const server = serverOf(m);
      const [a, b] = [server.client(TIMES), server.client(TIMES)];
      atFrame(m, 5, () => a.network.partition());
      const types = { renewed: 'r', 'renewal-failed': 'x', lost: 'L' } as const;
      m.expect(letters(a.mutex('k').lock$())).toBeObservable(row('a'), undefined, 'LOCK_LOST expired');
      m.expect(events(a.events$, types), `^${'-'.repeat(14)}!`).toBeObservable(row('a, renewals'));
      m.expect(letters(b.mutex('k').lock$()), `--^${'-'.repeat(17)}!`).toBeObservable(row('b'));
    }),
  );

  it(
    'run as they stand: wait',
    marbles((m) => {
      const row = rowsOf('`wait`');
      // Each against a holder of its own.
      const contending = (wait: number): ReturnType<typeof letters> => {
        const server = serverOf(m);
        m.expect(letters(server.client(TIMES).mutex('k').lock$()), row('held by another')).toBeObservable('h');
        return letters(server.client(TIMES).mutex('k').lock$({ wait }));
      };
      m.expect(contending(0), '--^').toBeObservable(row('wait: 0'), undefined, 'ALREADY_LOCKED');
      m.expect(contending(5), '--^').toBeObservable(row('wait: 5'), undefined, 'LOCK_TIMEOUT');
      m.expect(contending(Infinity), `--^${'-'.repeat(11)}!`).toBeObservable(row('wait: Infinity'));
    }),
  );

  it(
    'run as they stand: held.renewals$',
    marbles((m) => {
      const row = rowsOf('`held.renewals$`');
      const lock = serverOf(m).client(TIMES).mutex('k');
      const states$ = lock.lock$();
      const renewals$ = states$.pipe(
        mergeMap((state) => {
          if (state.status !== 'held') return [];
          atFrame(m, row('lock$').indexOf('x'), () => void state.held.release());
          return state.held.renewals$;
        }),
        map(({ count }) => String(count)),
        codes(),
      );
      m.expect(renewals$).toBeObservable(row('renewals$'));
    }),
  );
});
