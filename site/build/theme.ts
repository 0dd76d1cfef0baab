/**
 * What VitePress's theme brings for pages that this site does not have: left out of what everybody loads first. It is
 * the documented way of replacing parts of the theme (https://vitepress.dev/guide/extending-default-theme).
 */
import { join } from 'node:path';

const NOTHING = join(import.meta.dirname, '../.vitepress/theme/NothingHere.vue');
const NO_STYLES = join(import.meta.dirname, '../.vitepress/theme/nothing.css');

/**
 * Front pages with heroes, teams, sponsors, advertisements, translations, social links, badges, menus in the navigation
 * bar, a footer, the search of Algolia.
 */
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
  'VPNavBarTranslations',
  'VPNavScreenTranslations',
  'VPBadge',
  'VPButton',
  'VPSocialLink',
  'VPSocialLinks',
  'VPNavBarSocialLinks',
  'VPNavScreenSocialLinks',
  'VPNavBarMenuGroup',
  'VPNavScreenMenuGroup',
  'VPDocFooterLastUpdated',
  'VPFooter',
];

export const withoutUnused = [
  { find: new RegExp(`^.*/(?:${UNUSED.join('|')})\\.vue$`), replacement: NOTHING },
  { find: /^.*\/(?:vp-sponsor|vp-code-group)\.css$/, replacement: NO_STYLES },
  // The search box has styles of its own.
  { find: '@docsearch/css', replacement: NO_STYLES },
];
