/**
 * Draws the marble diagrams of the documentation as SVG, from the very text. What is no diagram stays text.
 */

interface Cell {
  readonly column: number;
  readonly text: string;
}

interface Row {
  readonly label: string;
  readonly cells: readonly Cell[];
  readonly comment: string;
}

export interface Diagram {
  readonly rows: readonly Row[];
  readonly columns: number;
}

const IS_DIAGRAM = /^[-^!|#?()a-zA-Z0-9]+$/;
const HAS_TIME = /[-^!|#]/;

/** A part of a line that stands for time: dashes and letters, or a number under the column it belongs to. */
const isDiagram = (text: string): boolean =>
  IS_DIAGRAM.test(text) && (HAS_TIME.test(text) || /^(\d+|[a-zA-Z?])$/.test(text));

interface Part extends Cell {
  readonly isTime: boolean;
}

function partsOf(line: string): readonly Part[] {
  const found = [...line.matchAll(/\S+(?: \S+)*/g)].map((match) => ({ column: match.index, text: match[0] }));
  // A row may go on with the label of the one above it.
  const parts = line.startsWith(' ') ? [{ column: 0, text: '' }, ...found] : found;
  let isOver = false;
  return parts.map((part, index) => {
    if (index === 0) return { ...part, isTime: false };
    // What follows a comment is comment.
    isOver ||= !isDiagram(part.text);
    return { ...part, isTime: !isOver };
  });
}

/** The diagram that a block of text is, or nothing. */
export function readDiagram(block: string): Diagram | undefined {
  const lines = block.split('\n').filter((line) => line.trim() !== '');
  const parsed = lines.map(partsOf);
  if (parsed.length === 0 || parsed.some(([label, first]) => !label || label.column !== 0 || !first?.isTime))
    return undefined;
  if (!parsed.some((parts) => parts.some(({ isTime, text }) => isTime && /--/.test(text)))) return undefined;
  const start = Math.min(
    ...parsed.flatMap((parts) => parts.filter(({ isTime }) => isTime).map(({ column }) => column)),
  );
  const rows = parsed.map(([label, ...rest]): Row => {
    const cells = rest.filter(({ isTime }) => isTime);
    const comment = rest.filter(({ isTime }) => !isTime).map(({ text }) => text);
    return {
      label: label?.text ?? '',
      cells: cells.map(({ column, text }) => ({ column: column - start, text })),
      comment: comment.join(' · '),
    };
  });
  const ends = rows.flatMap(({ cells }) => cells.map(({ column, text }) => column + text.length));
  return { rows, columns: Math.max(...ends) };
}

const CELL = 12;
const ROW = 34;
const LETTER = 7.3;
const COMMENT_LETTER = 6.7;
/** A figure no wider than this is seen as a whole beside the navigation. */
const WIDTH = 590;
/** What a comment below its row needs. */
const COMMENT = 16;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const text = (x: number, y: number, name: string, content: string): string =>
  `<text class="${name}" x="${x.toFixed(1)}" y="${y}">${escaped(content)}</text>`;

function drawnMarble(letter: string, x: number, y: number): string {
  if (letter === '|') return `<line class="m-end" x1="${x}" x2="${x}" y1="${y - 9}" y2="${y + 9}"/>`;
  if (letter === '#') {
    return `<path class="m-error" d="M${x - 6} ${y - 6}L${x + 6} ${y + 6}M${x + 6} ${y - 6}L${x - 6} ${y + 6}"/>`;
  }
  if (letter === '^') return `<path class="m-begin" d="M${x - 4} ${y - 6}L${x + 5} ${y}L${x - 4} ${y + 6}Z"/>`;
  if (letter === '!') return `<line class="m-stop" x1="${x}" x2="${x}" y1="${y - 8}" y2="${y + 8}"/>`;
  return `<circle class="m-marble" cx="${x}" cy="${y}" r="8"/>${text(x, y, 'm-letter', letter)}`;
}

function drawnCell({ column, text: content }: Cell, left: number, y: number): string {
  const at = (index: number): number => left + (column + index + 0.5) * CELL;
  if (/^\d{2,}$/.test(content)) return text(left + column * CELL, y, 'm-number', content);
  const line =
    content.length > 1 && HAS_TIME.test(content)
      ? `<line class="m-time" x1="${at(0) - CELL / 2}" x2="${at(content.length - 1) + CELL / 2}" y1="${y}" y2="${y}"/>`
      : '';
  const marbles = Array.from(content, (letter, index) =>
    /[-()]/.test(letter) ? '' : drawnMarble(letter, at(index), y),
  );
  return line + marbles.join('');
}

/** The figure: a picture, and the text it was drawn from for those who cannot see it. */
export function drawDiagram(diagram: Diagram, block: string): string {
  const { rows, columns } = diagram;
  const left = Math.max(...rows.map(({ label }) => label.length)) * LETTER + 18;
  const right = left + columns * CELL + 16;
  const longest = Math.max(...rows.map(({ comment }) => comment.length)) * COMMENT_LETTER;
  const isBelow = right + longest + 8 > WIDTH;
  const width = Math.ceil(isBelow ? Math.max(right, left + longest + 8) : right + longest + 8);
  let below = 0;
  const body = rows.map(({ label, cells, comment }, index) => {
    const y = 3 + index * ROW + below + ROW / 2;
    const drawn = cells.map((cell) => drawnCell(cell, left, y)).join('');
    if (comment === '') return `${text(0, y, 'm-label', label)}${drawn}`;
    if (isBelow) below += COMMENT;
    const said = isBelow ? text(left, y + ROW / 2 + 4, 'm-comment', comment) : text(right, y, 'm-comment', comment);
    return `${text(0, y, 'm-label', label)}${drawn}${said}`;
  });
  const height = rows.length * ROW + below + 6;
  const plain = escaped(block.trimEnd()).replaceAll('\n', '&#10;').replaceAll('{', '&#123;');
  const spoken = plain.replaceAll('"', '&quot;');
  return `<figure class="marbles" tabindex="0" role="group" aria-label="Marble diagram"><svg role="img" aria-label="${spoken}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">${body.join('')}</svg><details><summary>As text</summary><pre v-pre>${plain}</pre></details></figure>`;
}

/** The page with each diagram drawn. */
export const withDiagrams = (markdown: string): string =>
  markdown.replace(/^([ \t]*)```text\n([\s\S]*?)^[ \t]*```$/gm, (all, indent: string, block: string) => {
    // A block may hold several diagrams, one below the other.
    const blocks = block.split(/\n\s*\n/).map((part) => part.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
    const diagrams = blocks.map(readDiagram);
    if (diagrams.some((diagram) => diagram === undefined)) return all;
    return diagrams
      .map((diagram, index) => (diagram ? `${indent}${drawDiagram(diagram, blocks[index] ?? '')}` : ''))
      .join('\n\n');
  });
