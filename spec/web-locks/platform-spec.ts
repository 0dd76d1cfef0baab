/**
 * What the web platform's tests ask of a lock manager, in our words, on every world that has one.
 */
import { afterAll, beforeAll, describe, it, jest } from '@jest/globals';
import { SCENARIOS } from './scenarios/index.js';
import { WORLDS } from './worlds.js';
import type { Started } from './worlds.js';

jest.setTimeout(30_000);

describe.each(WORLDS)('$name', ({ start }) => {
  let world: Started;
  beforeAll(async () => {
    world = await start();
  });
  afterAll(() => world.stop());

  it.each(SCENARIOS)('$of: $title', async ({ run }) => {
    const { test, end } = await world.run();
    try {
      await run(test);
    } finally {
      await end();
    }
  });
});
