/**
 * What a frame of the lab costs while it plays. Chromium paints in software here, on a machine that does other things,
 * too: so the same browser shows, turn by turn, an empty page, and both are told.
 */
import assert from 'node:assert/strict';

const ROUNDS = 4;
const SECONDS = 2;

/** The times between frames, for so long. */
const framesOf = (page) =>
  page.evaluate(
    (ms) =>
      new Promise((resolve) => {
        const seen = [];
        const look = (now) => {
          seen.push(now);
          if (now - seen[0] < ms) requestAnimationFrame(look);
          else resolve(seen.slice(1).map((at, index) => at - seen[index]));
        };
        requestAnimationFrame(look);
      }),
    SECONDS * 1000,
  );

const quantile = (times, part) => [...times].sort((one, other) => one - other)[Math.floor(part * (times.length - 1))];

const told = (times) =>
  `median ${quantile(times, 0.5).toFixed(1)} ms, p95 ${quantile(times, 0.95).toFixed(1)} ms, ` +
  `${(times.length / (ROUNDS * SECONDS)).toFixed(0)} a second`;

/** What the thread of the page has done since it was asked first: seconds of its own CPU time, whatever else runs. */
async function meter(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    const valueOf = (wanted) => metrics.find(({ name }) => name === wanted).value;
    return { cpu: valueOf('TaskDuration'), layouts: valueOf('LayoutCount') };
  };
}

/** Plays the schedule of the link from its beginning. */
export async function frames(browser, link, tickOf) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const [empty, lab] = [[], []];
  const spent = { cpu: 0, layouts: 0, ticks: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    const blank = await context.newPage();
    empty.push(...(await framesOf(blank)));
    await blank.close();
    const page = await context.newPage();
    await page.goto(link, { waitUntil: 'networkidle' });
    await page.locator('.lab .primary').click();
    const read = await meter(page);
    const [before, tick] = [await read(), await tickOf(page)];
    lab.push(...(await framesOf(page)));
    const after = await read();
    spent.cpu += after.cpu - before.cpu;
    spent.layouts += after.layouts - before.layouts;
    spent.ticks += (await tickOf(page)) - tick;
    await page.close();
  }
  await context.close();
  // Between two ticks the playhead moves, and nothing is laid out.
  assert.ok(spent.layouts <= spent.ticks + 2 * ROUNDS, `${spent.layouts} layouts in ${spent.ticks} ticks`);
  // What the page itself takes fits into a frame, by its own CPU time. When frames come is up to what else runs: told.
  const cost = (spent.cpu * 1000) / lab.length;
  assert.ok(cost < 1000 / 60, `a frame takes ${cost.toFixed(1)} ms of CPU`);
  const ratio = (quantile(lab, 0.5) / quantile(empty, 0.5)).toFixed(2);
  return `${spent.layouts} layouts in ${spent.ticks} ticks; CPU of the page ${cost.toFixed(1)} ms a frame; with 5 lanes ${told(lab)}; an empty page in turn with it: ${told(empty)}; ratio of the medians ${ratio}`;
}
