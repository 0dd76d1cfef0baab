/**
 * Every page of the built site, as somebody sees it who clicks through the guide or comes by a link.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { serve } from './serve.mjs';

/** VitePress has taken the page over from what was built. */
const isRunning = (page) => page.waitForFunction(() => document.querySelector('#app')?.__vue_app__ !== undefined);

/** What a page must have, and how much of the rest it has. */
const look = () => {
  const main = document.querySelector('main, .VPContent');
  const images = [...main.querySelectorAll('img')];
  return {
    headings: [...document.querySelectorAll('h1')].map((heading) => heading.innerText.trim()),
    missing: images.filter((image) => image.complete && image.naturalWidth === 0).map((image) => image.src),
    unnamed: [...main.querySelectorAll('figure.marbles svg, img')].filter(
      (one) => !one.getAttribute('aria-label') && !one.getAttribute('alt'),
    ).length,
    samples: main.querySelectorAll('pre[data-types]').length,
    pictures: main.querySelectorAll('figure.marbles svg').length,
  };
};

/** A page on which nothing may go wrong: what it lacks or complains of is listed. */
async function watched(browser) {
  const page = await browser.newPage();
  const complaints = [];
  const complain = (text) => complaints.push(`${new URL(page.url()).pathname}: ${text}`);
  page.on('pageerror', (error) => complain(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complain(message.text());
  });
  page.on('response', (response) => {
    if (!response.ok()) complain(`${response.status()} ${response.url()}`);
  });
  const checked = async () => {
    const { headings, missing, unnamed, ...counts } = await page.evaluate(look);
    if (headings.length !== 1 || headings[0] === '') complain(`headings: ${JSON.stringify(headings)}`);
    if (missing.length > 0) complain(`pictures that do not load: ${missing}`);
    if (unnamed > 0) complain(`${unnamed} pictures without a text`);
    return counts;
  };
  return { page, complaints, checked };
}

/** Clicks every link of the sidebar, one after another, without loading the site anew. */
export async function clickThrough(browser, address, from) {
  const { page, complaints, checked } = await watched(browser);
  await page.goto(address + from);
  await isRunning(page);
  const links = await page
    .locator('.VPSidebar a.link')
    .evaluateAll((all) => [...new Set(all.map((one) => one.getAttribute('href')))]);
  for (const link of links) {
    await page.locator(`.VPSidebar a.link[href="${link}"]`).first().dispatchEvent('click');
    await page.waitForURL(address + link);
    if (!link.includes('#'))
      await page.locator(`.VPSidebarItem.is-active > .item > a[href="${link}"]`).waitFor({ state: 'attached' });
    await checked();
  }
  await page.close();
  assert.deepEqual(complaints, []);
  return links.length;
}

/** Loads every page by its address. */
export async function everyPage(browser, root) {
  const site = await serve(root);
  const { page, complaints, checked } = await watched(browser);
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.html') && file !== '404.html',
  );
  const total = { pages: 0, samples: 0, pictures: 0 };
  for (const file of files) {
    await page.goto(`${site.address}/${file.replace(/index\.html$/, '')}`);
    await isRunning(page);
    const { samples, pictures } = await checked();
    total.pages += 1;
    total.samples += samples;
    total.pictures += pictures;
  }
  await page.close();
  site.close();
  assert.deepEqual(complaints, []);
  assert.ok(total.samples > 0 && total.pictures > 0);
  return total;
}
