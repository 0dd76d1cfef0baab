/**
 * The search of the built site: it asks nobody else, and works on when the line is cut.
 */
import assert from 'node:assert/strict';

/** What one looks for, and a page that is to be among the first of what is found. */
const WANTED = [
  ['ttl', '/options'],
  ['runOnce', '/api/rxlock/functions/runOnce'],
  ['withLock', '/api/rxlock/functions/withLock'],
  ['partition', '/testing'],
];

export async function searches(browser, address) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const elsewhere = [];
  await context.route(
    (url) => url.origin !== address,
    (route) => {
      elsewhere.push(route.request().url());
      return route.abort();
    },
  );
  await page.goto(`${address}/start`, { waitUntil: 'networkidle' });
  await page.keyboard.press('Control+k');
  const field = page.locator('.search-input');
  await field.waitFor();
  await page.waitForLoadState('networkidle');
  await context.setOffline(true);
  const told = [];
  for (const [word, wanted] of WANTED) {
    await field.fill(word);
    const results = page.locator('.results a.result');
    await results
      .and(page.locator(`[href^="${wanted}"]`))
      .first()
      .waitFor();
    told.push(`${word} ${await results.count()}`);
  }
  await context.setOffline(false);
  const first = await page.locator('.results a.result').first().getAttribute('href');
  await page.keyboard.press('Enter');
  await page.waitForURL(address + first);
  await page.locator('h1').waitFor();
  await context.close();
  assert.deepEqual(elsewhere, []);
  return told.join(', ');
}
