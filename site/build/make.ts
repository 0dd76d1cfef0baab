/** Makes everything that VitePress is to read: `site/.made`. */
import { makeApi } from './api.js';
import { makePages } from './pages.js';
import { makeSampleTypes } from './sample-types.js';
import { makeTexts } from './texts.js';

makePages();
makeTexts();
await makeApi();
makeSampleTypes();
