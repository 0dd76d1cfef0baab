/**
 * What reads documentation without a browser: every page as Markdown, an index of them, and the guide in one file
 * (https://llmstxt.org).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PAGES, ROOT, addressOf, linkOf, nameOf, titleOf, withChangedLinks } from './pages.js';

const OUT = join(ROOT, 'site/.made/public');

/** Of use to who works on rxlock: named below "Optional", and not in the one file of the guide. */
const INSIDE =
  /^(?:CHANGELOG|CONTRIBUTING|SECURITY|bench\/README|torture\/README|docs\/(?:architecture|releasing|decisions\/.*))\.md$/;

interface Text {
  readonly title: string;
  readonly address: string;
  readonly markdown: string;
  readonly isInside: boolean;
}

/** Where the page of an address is as Markdown. */
const markdownOf = (address: string): string => `${address.replace(/\/$/, '/index')}.md`;

/** Links lead to the Markdown of the other pages; one to what is not on the site is its name alone. */
const withTextLinks = (markdown: string, from: string): string =>
  withChangedLinks(markdown, ({ isImage, name, link }) => {
    if (isImage) return `(picture: ${name})`;
    const to = linkOf(link, from);
    if (to === undefined) return name;
    if (!to.startsWith('/')) return undefined;
    const [address = '', hash] = to.split('#');
    // The list of decisions is made for the site, and has no document.
    const target = address === '/decisions/' ? address : markdownOf(address);
    return `[${nameOf(name, link, from)}](${target}${hash === undefined ? '' : `#${hash}`})`;
  });

/** The first sentence, where a page begins with one that is no longer than a line of an index. */
function summaryOf(markdown: string): string {
  const [, first = ''] = /^# .+\n\n([^\n]+)\n/.exec(markdown) ?? [];
  if (!/^[A-Z`_]/.test(first)) return '';
  const [sentence = ''] = /^.*?\.(?= |$)/.exec(first.replace(/\[([^\]]+)\]\([^)]+\)/g, '$1')) ?? [];
  return sentence === '' || sentence.length > 200 ? '' : `: ${sentence}`;
}

const textsOf = (): readonly Text[] =>
  PAGES.filter(([from]) => !from.startsWith('site/')).map(([from, to]) => {
    const markdown = readFileSync(join(ROOT, from), 'utf8');
    return {
      title: from === 'README.md' ? 'Start' : titleOf(markdown),
      address: addressOf(to),
      markdown: withTextLinks(markdown, from),
      isInside: INSIDE.test(from),
    };
  });

function write(file: string, text: string): void {
  mkdirSync(dirname(join(OUT, file)), { recursive: true });
  writeFileSync(join(OUT, file), text);
}

export function makeTexts(): void {
  const texts = textsOf();
  const [, about = '', use = ''] = (texts.find(({ title }) => title === 'Start')?.markdown ?? '').split('\n\n');
  const lines = (isInside: boolean): string =>
    texts
      .filter((text) => text.isInside === isInside)
      .map(({ title, address, markdown }) => `- [${title}](${markdownOf(address)})${summaryOf(markdown)}`)
      .join('\n');
  const index = [
    '# rxlock',
    `> ${about}`,
    use,
    'The guide in one file: [llms-full.txt](/llms-full.txt). Every exported name, with its types: [API reference](/api/).',
    `## Guide\n\n${lines(false)}`,
    `## Optional\n\n${lines(true)}`,
  ];
  write('llms.txt', `${index.join('\n\n')}\n`);
  const guide = texts.filter(({ isInside }) => !isInside).map(({ markdown }) => markdown);
  write('llms-full.txt', guide.join('\n\n---\n\n'));
  for (const { address, markdown } of texts) write(markdownOf(address), markdown);
}
