/**
 * What VitePress's theme brings for pages that this site does not have: left out of what everybody loads first. It is
 * the documented way of replacing parts of the theme (https://vitepress.dev/guide/extending-default-theme).
 */
import { join } from 'node:path';

const NOTHING = join(import.meta.dirname, '../.vitepress/theme/NothingHere.vue');

/** Front pages with heroes, teams, sponsors, advertisements, the search of Algolia. */
const UNUSED = [
  'VPHome',
  'VPHomeContent',
  'VPHomeFeatures',
  'VPHomeHero',
  'VPHomeSponsors',
  'VPFeatures',
  'VPSponsors',
  'VPTeamMembers',
  'VPTeamPage',
  'VPTeamPageSection',
  'VPTeamPageTitle',
  'VPDocAsideCarbonAds',
  'VPDocAsideSponsors',
  'VPAlgoliaSearchBox',
];

export const withoutUnused = [
  { find: new RegExp(`^.*/(?:${UNUSED.join('|')})\\.vue$`), replacement: NOTHING },
  // The search box has styles of its own.
  { find: '@docsearch/css', replacement: join(import.meta.dirname, '../.vitepress/theme/nothing.css') },
];
