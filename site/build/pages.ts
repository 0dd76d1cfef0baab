/**
 * Makes the pages of the site from the documents of the repository: nothing is written twice. Links are turned into
 * those of the site, diagrams are drawn. Pages go to `site/.made`, which nobody edits.
 */
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { withDiagrams } from './marbles.js';

export const ROOT = join(import.meta.dirname, '../..');
const MADE = join(ROOT, 'site/.made');

/** From the document to the page. */
export const PAGES: readonly (readonly [from: string, to: string])[] = [
  ['site/index.md', 'index.md'],
  ['site/lab.md', 'lab.md'],
  ['README.md', 'start.md'],
  ['CHANGELOG.md', 'changelog.md'],
  ['CONTRIBUTING.md', 'contributing.md'],
  ['SECURITY.md', 'security.md'],
  ['bench/README.md', 'bench.md'],
  ['torture/README.md', 'torture.md'],
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.md') && file !== 'README.md')
    .map((file) => [`docs/${file}`, file.replace(/README\.md$/, 'index.md')] as const),
];

const pageOf = new Map(PAGES);

/** An address as it is on the site: clean, without an ending. */
export const addressOf = (page: string): string => `/${page.replace(/(^|\/)index\.md$/, '$1').replace(/\.md$/, '')}`;

/** The document that a link of another one leads to. */
function targetOf(link: string, from: string): string {
  const [path = ''] = link.split('#');
  const target = posix.normalize(posix.join(posix.dirname(from), path));
  return pageOf.has(posix.join(target, 'README.md')) ? posix.join(target, 'README.md') : target;
}

/** Where a link of a document leads on the site; nothing where the site has no such page. */
export function linkOf(link: string, from: string): string | undefined {
  if (/^[a-z]+:|^#|^\//.test(link)) return link;
  const [, hash] = link.split('#');
  const target = targetOf(link, from);
  const page = pageOf.get(target);
  if (target.startsWith('docs/decisions') && !page) return '/decisions/';
  if (page === undefined) return undefined;
  return `${addressOf(page)}${hash === undefined ? '' : `#${hash}`}`;
}

export const titleOf = (markdown: string): string => /^# (.+)$/m.exec(markdown)?.[1] ?? '';

/** In the repository links are named as files are; on the site a page has a title. */
export function nameOf(name: string, link: string, from: string): string {
  const [path = ''] = link.split('#');
  if (![`/${name}`, `/${name}/README.md`].some((named) => `/${path}`.endsWith(named))) return name;
  return titleOf(readFileSync(join(ROOT, targetOf(link, from)), 'utf8')) || name;
}

/** No plot is shown wider, pixels. */
const WIDEST = 960;

/** A picture with its size, so that nothing jumps when it comes; it is scrolled where there is no room, by keyboard, too. */
function pictureOf(name: string, link: string, from: string): string | undefined {
  const file = join(ROOT, dirname(from), link);
  const [, width, height] = /^<svg[^>]* width="(\d+)"[^>]* height="(\d+)"/.exec(readFileSync(file, 'utf8')) ?? [];
  if (width === undefined || height === undefined) return undefined;
  const scale = Math.min(1, WIDEST / Number(width));
  const size = `width="${Math.round(Number(width) * scale)}" height="${Math.round(Number(height) * scale)}"`;
  return `<figure class="plot" tabindex="0" role="group" aria-label="${name}"><img src="./${link}" alt="${name}" ${size}></figure>`;
}

const outsideCode = (markdown: string, change: (text: string) => string): string =>
  markdown
    .split(/(^```[\s\S]*?^```$)/m)
    .map((part, index) => (index % 2 === 0 ? change(part) : part))
    .join('');

interface MarkdownLink {
  readonly isImage: boolean;
  readonly name: string;
  readonly link: string;
}

/** Each link and each picture becomes what `change` says, or stays as it is. */
export const withChangedLinks = (markdown: string, change: (link: MarkdownLink) => string | undefined): string =>
  outsideCode(markdown, (text) =>
    text.replace(
      /(!?)\[((?:[^\]\\]|\\.)*)\]\(([^)\s]+)\)/g,
      (all, image: string, name: string, link: string) => change({ isImage: image !== '', name, link }) ?? all,
    ),
  );

const withLinks = (markdown: string, from: string): string =>
  withChangedLinks(markdown, ({ isImage, name, link }) => {
    if (isImage) return pictureOf(name, link, from);
    const to = linkOf(link, from);
    return to === undefined ? name : `[${nameOf(name, link, from)}](${to})`;
  });

/** The first example of the README, for the front page. */
const firstSample = (): string => /```ts\n[\s\S]*?```/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[0] ?? '';

function write(page: string, text: string): void {
  const file = join(MADE, page);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** The icon of the site. */
const copyPublic = (): void => cpSync(join(ROOT, 'site/public'), join(MADE, 'public'), { recursive: true });

/** Pictures stay beside the pages that show them. */
function copyPictures(): void {
  for (const file of readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })) {
    if (/\.(svg|png)$/.test(file)) cpSync(join(ROOT, 'docs', file), join(MADE, file));
  }
}

function makeDecisions(): void {
  const files = readdirSync(join(ROOT, 'docs/decisions')).filter((file) => file.endsWith('.md'));
  const entries = files.map((file) => {
    const title = titleOf(readFileSync(join(ROOT, 'docs/decisions', file), 'utf8'));
    return `- [${title}](/decisions/${basename(file, '.md')})`;
  });
  write('decisions/index.md', `# Decisions\n\nWhy it is built as it is, one page each.\n\n${entries.join('\n')}\n`);
}

export function makePages(): void {
  mkdirSync(MADE, { recursive: true });
  for (const name of readdirSync(MADE)) if (name !== 'api') rmSync(join(MADE, name), { recursive: true });
  for (const [from, to] of PAGES) {
    const text = readFileSync(join(ROOT, from), 'utf8').replace('<!-- first example of the README -->', firstSample);
    write(to, withDiagrams(withLinks(text, from)));
  }
  copyPictures();
  copyPublic();
  makeDecisions();
}
