import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitepress';
import { entriesOf } from '../build/entries.js';
import { withoutUnused } from '../build/theme.js';
import { typePlaces } from '../build/places.js';
import type { DefaultTheme } from 'vitepress';

const MADE = join(import.meta.dirname, '../.made');

/** The pages of a folder, by their titles. */
const pagesIn = (name: string): DefaultTheme.SidebarItem[] => {
  const folder = join(MADE, name);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith('.md') && file !== 'index.md')
    .map((file) => {
      const [, title = file] = /^# (.+)$/m.exec(readFileSync(join(folder, file), 'utf8')) ?? [];
      return { text: title.replaceAll('`', '').replaceAll('<', '&lt;'), link: `/${name}/${file.replace('.md', '')}` };
    });
};

const KINDS: Readonly<Record<string, string>> = {
  functions: 'Functions',
  interfaces: 'Interfaces',
  classes: 'Classes',
  'type-aliases': 'Types',
  variables: 'Values',
};

/** What an entry exports, by kind: as TypeDoc has written it. */
const exportsOf = (entry: string): DefaultTheme.SidebarItem[] =>
  Object.entries(KINDS).flatMap(([kind, text]) => {
    const folder = join(MADE, 'api', entry, kind);
    if (!existsSync(folder)) return [];
    const names = readdirSync(folder).map((file) => file.replace('.md', ''));
    return [{ text, items: names.map((name) => ({ text: name, link: `/api/${entry}/${kind}/${name}` })) }];
  });

const api: DefaultTheme.SidebarItem[] = Object.keys(entriesOf()).map((entry) => ({
  text: entry,
  link: `/api/${entry}/`,
  collapsed: entry !== 'rxlock',
  items: exportsOf(entry),
}));

const guide: DefaultTheme.SidebarItem[] = [
  {
    text: 'Guide',
    items: [
      { text: 'Start', link: '/start' },
      { text: 'The forms of a lock', link: '/start#the-forms-of-a-lock' },
      { text: 'Kinds of lock', link: '/kinds' },
      { text: 'Options, and choosing a ttl', link: '/options' },
      { text: 'A fleet: once, and shared', link: '/fleet' },
      { text: 'In marbles', link: '/marbles' },
      { text: 'Testing your pipelines', link: '/testing' },
      { text: 'Recipes', link: '/recipes' },
      { text: 'About the lab', link: '/lab' },
    ],
  },
  {
    text: 'Operating',
    items: [
      { text: 'Troubleshooting', link: '/troubleshooting' },
      { text: 'Setting up etcd', link: '/etcd' },
      { text: 'Command line', link: '/cli' },
      { text: 'When a process ends', link: '/shutdown' },
      { text: 'Telemetry', link: '/telemetry' },
      { text: 'What is promised', link: '/promises' },
      { text: 'What can go wrong', link: '/failures' },
      { text: 'Reliability', link: '/reliability' },
      { text: 'Benchmarks', link: '/benchmarks/' },
    ],
  },
  {
    text: 'Adapters and migration',
    items: [
      { text: 'NestJS', link: '/nestjs' },
      { text: 'Web Locks', link: '/web-locks' },
      { text: 'A backend of your own', link: '/backends' },
      { text: 'From microlock', link: '/from-microlock' },
      { text: 'From other libraries', link: '/migration/', collapsed: true, items: pagesIn('migration') },
    ],
  },
  {
    text: 'Inside',
    items: [
      { text: 'Architecture', link: '/architecture' },
      { text: 'Decisions', link: '/decisions/', collapsed: true, items: pagesIn('decisions') },
      { text: 'How the benchmarks are made', link: '/bench' },
      { text: 'How the torture is made', link: '/torture' },
      { text: 'Contributing', link: '/contributing' },
      { text: 'Releasing', link: '/releasing' },
      { text: 'Security', link: '/security' },
      { text: 'Changes', link: '/changelog' },
    ],
  },
];

export default defineConfig({
  title: 'rxlock',
  description: 'Reactive distributed locks for Node, on RxJS and etcd: a lock is an Observable.',
  lang: 'en',
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: '/icon.svg' }],
    // The page as it was built shows another schedule than the link: it is not painted, so that nothing jumps.
    ['script', {}, "if (/^#\\d+\\.\\d/.test(location.hash)) document.documentElement.classList.add('lab-by-link');"],
  ],
  srcDir: '.made',
  srcExclude: ['public/**'],
  cleanUrls: false,
  ignoreDeadLinks: false,
  themeConfig: {
    logo: '/icon.svg',
    search: { provider: 'local' },
    nav: [
      { text: 'Lab', link: '/' },
      { text: 'Guide', link: '/start' },
      { text: 'API', link: '/api/' },
      { text: 'Benchmarks', link: '/benchmarks/' },
      { text: 'Reliability', link: '/reliability' },
    ],
    sidebar: { '/api/': api, '/': guide },
    outline: { level: [2, 3] },
  },
  markdown: {
    languageAlias: { crontab: 'ini', text: 'txt' },
    codeTransformers: [typePlaces(join(MADE, 'types.json'))],
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
  },
  vite: {
    // What every browser of the last years runs is a tenth smaller; RxJS has a build for it.
    build: { target: 'es2022' },
    resolve: { conditions: ['es2015'], alias: withoutUnused },
    define: { __VUE_OPTIONS_API__: 'false' },
    server: { fs: { allow: ['../..'] } },
  },
});
