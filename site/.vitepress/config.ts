import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitepress';
import type { DefaultTheme } from 'vitepress';

const MADE = join(import.meta.dirname, '../.made');

/** The decisions, by their titles. */
const decisions = (): DefaultTheme.SidebarItem[] => {
  const folder = join(MADE, 'decisions');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => /^\d/.test(file))
    .map((file) => {
      const [, title = file] = /^# (.+)$/m.exec(readFileSync(join(folder, file), 'utf8')) ?? [];
      return { text: title.replaceAll('`', ''), link: `/decisions/${file.replace('.md', '')}` };
    });
};

const guide: DefaultTheme.SidebarItem[] = [
  {
    text: 'Guide',
    items: [
      { text: 'Start', link: '/start' },
      { text: 'Kinds of lock', link: '/kinds' },
      { text: 'In marbles', link: '/marbles' },
      { text: 'Testing your pipelines', link: '/testing' },
      { text: 'About the lab', link: '/lab' },
    ],
  },
  {
    text: 'Operating',
    items: [
      { text: 'Setting up etcd', link: '/etcd' },
      { text: 'Command line', link: '/cli' },
      { text: 'What is promised', link: '/promises' },
      { text: 'What can go wrong', link: '/failures' },
      { text: 'Reliability', link: '/reliability' },
      { text: 'Benchmarks', link: '/benchmarks/' },
    ],
  },
  {
    text: 'Adapters and migration',
    items: [
      { text: 'Web Locks', link: '/web-locks' },
      { text: 'From microlock', link: '/from-microlock' },
      { text: 'From other libraries', link: '/migration/' },
    ],
  },
  {
    text: 'Inside',
    items: [
      { text: 'Architecture', link: '/architecture' },
      { text: 'Decisions', link: '/decisions/', collapsed: true, items: decisions() },
      { text: 'Contributing', link: '/contributing' },
      { text: 'Security', link: '/security' },
      { text: 'Changes', link: '/changelog' },
    ],
  },
];

export default defineConfig({
  title: 'rxlock',
  description: 'Reactive distributed locks for Node, on RxJS and etcd: a lock is an Observable.',
  lang: 'en',
  srcDir: '.made',
  cleanUrls: false,
  ignoreDeadLinks: false,
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Lab', link: '/' },
      { text: 'Guide', link: '/start' },
      { text: 'API', link: '/api/' },
      { text: 'Benchmarks', link: '/benchmarks/' },
      { text: 'Reliability', link: '/reliability' },
    ],
    sidebar: { '/api/': [{ text: 'API', items: [{ text: 'All entries', link: '/api/' }] }], '/': guide },
    outline: { level: [2, 3] },
  },
  vite: {
    // Made pages and our own sources; nothing of it changes while it is built.
    server: { fs: { allow: ['..', '../..'] } },
  },
});
