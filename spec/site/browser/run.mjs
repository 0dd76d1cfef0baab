/**
 * The built site in a real browser: presets, keyboard, accessibility, links, sizes. `npm run site:test`.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { launch } from './chromium.mjs';
import { frames } from './frames.mjs';
import { brokenLinks, brokenTexts, missingInGuide } from './links.mjs';
import { loadModel } from './model.mjs';
import { clickThrough, everyPage } from './pages.mjs';
import { searches } from './search.mjs';
import { serve } from './serve.mjs';

const ROOT = join(import.meta.dirname, '../../..');
const DIST = join(ROOT, 'site/.vitepress/dist');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const BUDGET = 150_000;
const SIZES = { desk: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const OWN_SCHEDULE =
  '5.24.4.1.120_2a-want.mutex.k.20_3b-want.read.k.30_4c-want.read.k.20_5d-want.semaphore.s.30_6e-want.semaphore.s.20_20b-freeze.40_30c-kill';

const { PRESETS, CLIENTS, specText, fromFragment } = await loadModel(ROOT);
const browser = await launch();
const site = await serve(DIST);
const complaints = [];

async function open(path, { size = 'desk', scheme = 'light', ...options } = {}) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme: scheme, ...options });
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(`${path}: ${error}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${path}: ${message.text()}`);
  });
  await page.goto(site.address + path, { waitUntil: 'networkidle' });
  return page;
}
const close = (page) => page.context().close();
const fragmentOf = (page) => decodeURIComponent(new URL(page.url()).hash.slice(1)).split('@')[0];
const tickOf = async (page) => Number.parseInt(await page.locator('.lab .tick').innerText(), 10);

/** `npm run site:test -- axe`: the checks with that in their title. */
const [, , only = ''] = process.argv;

async function check(title, body) {
  if (!title.includes(only)) return;
  const told = await body();
  console.log(`ok  ${title}${told === undefined ? '' : `: ${told}`}`);
}

async function presets() {
  for (const preset of PRESETS) {
    const page = await open('/');
    await page.getByRole('button', { name: preset.title, exact: true }).click();
    for (const client of CLIENTS) {
      const end = JSON.parse(await page.locator(`.panel.${client}`).getAttribute('data-end'));
      assert.deepEqual(end, preset.expected[client], `${preset.id}, ${client}`);
    }
    assert.equal(fragmentOf(page), preset.fragment);
    await close(page);
  }
  return PRESETS.map(({ id }) => id).join(', ');
}

/** The pictures as they are drawn, and the server beside them. */
const drawn = (page) =>
  page.locator('.lab :is(.timeline, .inspector, .log)').evaluateAll((all) => all.map((one) => one.outerHTML));

async function links() {
  const one = await open(`/#${OWN_SCHEDULE}@37`);
  assert.equal(await tickOf(one), 37);
  const seen = await drawn(one);
  await close(one);
  const other = await open('/start');
  await other.goto(`${site.address}/#${OWN_SCHEDULE}@37`, { waitUntil: 'networkidle' });
  assert.deepEqual(await drawn(other), seen);
  await close(other);
}

async function keyboard() {
  const page = await open('/', { permissions: ['clipboard-read', 'clipboard-write'] });
  const reach = async (locator, key = 'Tab') => {
    for (let pressed = 0; pressed < 60; pressed += 1) {
      if (await locator.evaluate((element) => element === document.activeElement)) return;
      await page.keyboard.press(key);
    }
    assert.fail(`no way by keyboard to ${locator}`);
  };
  await reach(page.getByRole('button', { name: 'Hand-off' }));
  await page.keyboard.press('Enter');
  assert.equal(fragmentOf(page), PRESETS[0].fragment);
  await reach(page.getByRole('slider', { name: 'Tick' }));
  await page.keyboard.press('Home');
  assert.equal(await tickOf(page), 0);
  for (let step = 0; step < 10; step += 1) await page.keyboard.press('ArrowRight');
  assert.equal(await tickOf(page), 10);
  await page.keyboard.press('c');
  assert.equal(fragmentOf(page), `${PRESETS[0].fragment}_10a-cut`);
  await page.keyboard.press('2');
  await page.keyboard.press('f');
  assert.equal(fragmentOf(page), `${PRESETS[0].fragment}_10a-cut_10b-freeze.40`);
  await page.keyboard.press('z');
  await page.keyboard.press('z');
  assert.equal(fragmentOf(page), PRESETS[0].fragment);
  await page.keyboard.press(' ');
  await page.waitForFunction(() => Number.parseInt(document.querySelector('.lab .tick').textContent, 10) > 15);
  await page.keyboard.press(' ');
  await page.getByRole('button', { name: 'Play' }).waitFor();
  await reach(page.getByRole('button', { name: 'Copy as spec' }));
  await page.keyboard.press('Enter');
  await page.getByText('Spec copied').waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, specText(fromFragment(PRESETS[0].fragment).schedule));
  await close(page);
}

/** Each button of a fault does what its key does, each kind can be wanted. */
async function faults() {
  const page = await open(`/#${PRESETS[0].fragment}@10`);
  const lab = page.locator('.lab .scrub');
  const changeBy = async (change) => {
    const before = fragmentOf(page);
    await change();
    const after = fragmentOf(page);
    assert.notEqual(after, before);
    await lab.focus();
    await page.keyboard.press('z');
    assert.equal(fragmentOf(page), before);
    return after;
  };
  const buttons = page.locator('.lab .faults button[title*="key "]');
  const keys = await buttons.evaluateAll((all) => all.map(({ title }) => /key (.)\)?$/.exec(title)[1]));
  for (const [index, key] of keys.entries()) {
    const clicked = await changeBy(() => buttons.nth(index).click());
    assert.equal(await changeBy(() => page.keyboard.press(key)), clicked, `key ${key}`);
  }
  const kinds = await page.locator('.lab .faults option').evaluateAll((all) => all.map(({ value }) => value));
  for (const kind of kinds) {
    await page.locator('.lab .faults select').selectOption(kind);
    assert.ok((await changeBy(() => buttons.first().click())).includes(`a-want.${kind}.`), kind);
  }
  await close(page);
  return `keys ${keys.join(' ')}; ${kinds.join(', ')}`;
}

async function accessibility() {
  const all = [];
  const paths = ['/', '/marbles', '/start', '/cli', '/benchmarks/', '/api/rxlock/functions/usingLock'];
  for (const path of paths) {
    for (const size of Object.keys(SIZES)) {
      for (const scheme of ['light', 'dark']) {
        const page = await open(path, { size, scheme });
        await page.addScriptTag({ content: AXE });
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        const found = violations.map(
          ({ id, nodes }) =>
            `${id}: ${nodes
              .map(({ target }) => target.join(' '))
              .slice(0, 4)
              .join('; ')}`,
        );
        if (found.length > 0) all.push({ page: `${path}, ${size}, ${scheme}`, found });
        const wide = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        if (wide > 0) all.push({ page: `${path}, ${size}`, found: [`${wide} pixels wider than the window`] });
        await close(page);
      }
    }
  }
  assert.deepEqual(all, []);
  return `${paths.length} pages, two sizes, two themes`;
}

async function firstView() {
  const context = await browser.newContext({ viewport: SIZES.desk });
  const page = await context.newPage();
  const answers = [];
  page.on('response', (response) => answers.push(response));
  await page.goto(`${site.address}/`, { waitUntil: 'load' });
  await page.locator('.lab .panel').first().waitFor();
  const sizes = await Promise.all(
    answers
      .filter((answer) => answer.ok() && !answer.url().endsWith('.woff2'))
      .map(async (answer) => ({ url: new URL(answer.url()).pathname, bytes: gzipSync(await answer.body()).length })),
  );
  await context.close();
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  const largest = sizes.sort((one, other) => other.bytes - one.bytes).slice(0, 5);
  const named = largest.map(({ url, bytes }) => `${url} ${(bytes / 1024).toFixed(1)}`).join(', ');
  assert.ok(total < BUDGET, `${(total / 1024).toFixed(1)} KB gzip: ${named}`);
  return `${(total / 1024).toFixed(1)} KB gzip besides fonts (${named})`;
}

/** From now on, what jumps is summed up in `shifts`. What follows a click at once is asked for: another preset has other lanes. */
function countShifts() {
  globalThis.shifts = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shifts += entry.value;
  }).observe({ type: 'layout-shift', buffered: true });
}
const shiftsOf = (page) => page.evaluate(() => globalThis.shifts);

/** As on a slow line: the page is painted before its scripts are there. */
async function loading() {
  const worst = { shifts: 0, at: '' };
  for (const path of ['/', `/#${OWN_SCHEDULE}@37`, '/start', '/marbles', '/benchmarks/']) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      const context = await browser.newContext({ viewport });
      const page = await context.newPage();
      await page.addInitScript(countShifts);
      await page.route('**/*.js', async (route) => {
        await new Promise((resolve) => setTimeout(resolve, 400));
        await route.continue();
      });
      await page.goto(site.address + path, { waitUntil: 'networkidle' });
      const shifts = await shiftsOf(page);
      await context.close();
      assert.ok(shifts < 0.02, `${path}, ${size}: layout shifts ${shifts}`);
      if (shifts >= worst.shifts) Object.assign(worst, { shifts, at: `${path.slice(0, 20)}, ${size}` });
    }
  }
  return `at most ${worst.shifts.toFixed(4)} (${worst.at})`;
}

async function playing() {
  const page = await open(`/#${OWN_SCHEDULE}@0`);
  await page.evaluate(countShifts);
  await page.locator('.lab .primary').click();
  await page.waitForFunction(() => Number.parseInt(document.querySelector('.lab .tick').textContent, 10) > 30);
  for (const { title } of PRESETS) await page.getByRole('button', { name: title, exact: true }).click();
  await page.waitForTimeout(300);
  const shifts = await shiftsOf(page);
  await close(page);
  assert.ok(shifts < 0.02, `layout shifts: ${shifts}`);
  return `shifts ${shifts.toFixed(4)}`;
}

async function types() {
  const page = await open('/start');
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  const name = page.locator('pre[data-types] [data-t]', { hasText: /^withLock$/ }).first();
  const tip = page.getByRole('tooltip');
  await name.hover();
  await tip.filter({ hasText: 'MonoTypeOperatorFunction' }).waitFor();
  assert.equal(asked.filter((path) => path.startsWith('/types/')).length, 1);
  await page.mouse.move(0, 0);
  await tip.waitFor({ state: 'hidden' });
  await page.locator('pre[data-types]').first().focus();
  await page.keyboard.press('Enter');
  await tip.waitFor();
  const first = await tip.innerText();
  await page.keyboard.press('ArrowRight');
  await tip.filter({ hasNotText: first }).waitFor();
  await page.keyboard.press('Escape');
  await tip.waitFor({ state: 'hidden' });
  await close(page);
  return `${readdirSync(join(DIST, 'types')).length} samples`;
}

try {
  await check('every link leads somewhere, every page is in the navigation', () => {
    const { broken, followed, pages } = brokenLinks(DIST);
    assert.deepEqual(broken, []);
    assert.deepEqual(missingInGuide(DIST), []);
    return `${followed} links on ${pages} pages`;
  });
  await check('llms.txt and the texts name what is there', () => {
    const { broken, followed, pages } = brokenTexts(DIST);
    assert.deepEqual(broken, []);
    const sizes = ['llms.txt', 'llms-full.txt'].map(
      (file) => `${file} ${(statSync(join(DIST, file)).size / 1000).toFixed(0)} KB`,
    );
    return `${followed} links in ${pages} texts; ${sizes.join(', ')}`;
  });
  await check('every page opens, with one heading and all that belongs to it', async () => {
    const { pages, samples, pictures } = await everyPage(browser, DIST);
    return `${pages} pages, ${samples} samples with types, ${pictures} diagrams`;
  });
  await check(
    'one can click through the guide',
    async () => `${await clickThrough(browser, site.address, '/start.html')} links`,
  );
  await check('search finds without a line', () => searches(browser, site.address));
  await check('every preset reaches its expected end', presets);
  await check('a link reproduces a run to the frame', links);
  await check('everything can be done by keyboard, the copied spec included', keyboard);
  await check('each fault has a button and a key, each kind can be wanted', faults);
  await check('axe finds nothing', accessibility);
  await check('the first view is small', firstView);
  await check('nothing jumps while a page is loading', loading);
  await check('nothing jumps while it plays', playing);
  await check('a frame of the lab is cheap: between two ticks nothing is laid out', () =>
    frames(browser, `${site.address}/#${OWN_SCHEDULE}@0`, tickOf),
  );
  await check('names of the samples tell their types', types);
  await check('no page complains', () => assert.deepEqual(complaints, []));
} finally {
  await browser.close();
  site.close();
}
