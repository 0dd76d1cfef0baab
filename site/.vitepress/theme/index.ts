/** VitePress's own theme, and the lock lab on the front page. */
import DefaultTheme from 'vitepress/theme';
import { inBrowser } from 'vitepress';
import type { Theme } from 'vitepress';
import LockLab from '../../lab/view/LockLab.vue';
import { typesOnDemand } from './types-on-demand.js';
import './site.css';

// VitePress wants a default export.
export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => {
    app.component('LockLab', LockLab);
    if (inBrowser) typesOnDemand();
  },
} satisfies Theme;
