/** VitePress's own theme, and the lock lab on the front page. */
import DefaultTheme from 'vitepress/theme';
import type { Theme } from 'vitepress';
import LockLab from '../../lab/view/LockLab.vue';
import './site.css';

// VitePress wants a default export.
export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => {
    app.component('LockLab', LockLab);
  },
} satisfies Theme;
