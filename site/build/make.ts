/** Makes everything that VitePress is to read: `site/.made`. */
import { makeApi } from './api.js';
import { makePages } from './pages.js';

makePages();
await makeApi();
