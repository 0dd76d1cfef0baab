/**
 * Plays one scenario with one engine, in a process of its own, and prints what was found.
 *
 *   node torture/targeted/one.mjs '{"engine": …, "scenario": …, "url": …}'
 */
import { setTimeout as pause } from 'node:timers/promises';
import { SCENARIOS } from './scenarios.mjs';
import { createStage } from './stage.mjs';

const ENDS_WITHIN = 30_000;

const { engine, scenario, url } = JSON.parse(process.argv[2] ?? '{}');
const stage = await createStage({ engine, url, name: scenario });
const tooLong = pause(ENDS_WITHIN, undefined, { ref: false }).then(() => {
  throw new Error(`it did not end within ${ENDS_WITHIN} ms`);
});
const answer = await Promise.race([SCENARIOS[scenario](stage), tooLong]).then(
  (found) => ({ found }),
  (error) => ({ error: String(error.stack) }),
);
console.log(JSON.stringify(answer));
// Who still waits is told of the close, and nobody listens any more. Before, a rejection that nobody handles ends it.
process.on('unhandledRejection', () => undefined);
await Promise.race([stage.close(), pause(5000)]);
process.exit(0);
