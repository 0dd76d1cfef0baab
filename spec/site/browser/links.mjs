/**
 * Every link of the built site leads to a page that is there, and to a heading that is on it.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileOf } from './serve.mjs';

const PLACEHOLDER = 'https://example.com/';

/** Pages that the navigation of the guide does not have. */
export function missingInGuide(root) {
  const guide = readFileSync(join(root, 'start.html'), 'utf8');
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.html') && !/^(api\/.*|404\.html|index\.html)$/.test(file))
    .map((file) => `/${file.replace(/index\.html$/, '')}`)
    .filter((page) => !guide.includes(`href="${page}"`) && !guide.includes(`href="${page.replace('.html', '')}"`));
}

/** Links that lead nowhere, and how many were followed. */
export function brokenLinks(root) {
  const pages = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'));
  const texts = new Map(pages.map((page) => [join(root, page), readFileSync(join(root, page), 'utf8')]));
  const broken = [];
  let followed = 0;
  for (const [page, text] of texts) {
    const at = new URL(relative(root, page), 'http://site/');
    for (const [, href] of text.matchAll(/<(?:a|link|img|script)[^>]* (?:href|src)="([^"]+)"/g)) {
      const url = new URL(href.replaceAll('&amp;', '&'), at);
      if (url.host !== 'site' || href.startsWith(PLACEHOLDER)) continue;
      followed += 1;
      const file = fileOf(root, url.pathname);
      const anchor = decodeURIComponent(url.hash.slice(1));
      // A fragment of the lab is no heading.
      const isThere = anchor === '' || /^\d+\.\d/.test(anchor) || texts.get(file)?.includes(`id="${anchor}"`);
      if (!file || !isThere) broken.push(`${relative(root, page)}: ${href}`);
    }
  }
  return { broken, followed, pages: pages.length };
}

/** The same for llms.txt and the Markdown of the pages: what they name is there. */
export function brokenTexts(root) {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'));
  const broken = [];
  let followed = 0;
  for (const file of ['llms.txt', 'llms-full.txt', ...files]) {
    const text = readFileSync(join(root, file), 'utf8').replace(/^```[\s\S]*?^```$/gm, '');
    for (const [, link] of text.matchAll(/\[(?:[^\]\\]|\\.)*\]\((?![a-z]+:|#)([^)\s]+)\)/g)) {
      followed += 1;
      const [path] = link.split('#');
      const isThere = path.endsWith('/') ? fileOf(root, path) : path.startsWith('/') && existsSync(join(root, path));
      if (!isThere) broken.push(`${file}: ${link}`);
    }
  }
  const pages = files.map((file) => `/${file}`);
  const index = readFileSync(join(root, 'llms.txt'), 'utf8');
  broken.push(...pages.filter((page) => !index.includes(`](${page})`)).map((page) => `llms.txt does not name ${page}`));
  return { broken, followed, pages: pages.length };
}
