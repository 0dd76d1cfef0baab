/**
 * The command of who lost is dead before that of the next one runs: a short form of `npm run cli:losses`.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, jest } from '@jest/globals';

jest.setTimeout(300_000);

const RUN = join(__dirname, 'losses/run.mjs');

describe('a command that ignores every signal', () => {
  it.each(['freeze', 'cut', 'stop', 'kill'])('is dead before the next one runs: %s', async (way) => {
    const given = ['--count', '3', '--side', '3', '--ttl', '2000', '--ways', way, '--kinds', 'rxlock'];
    const { stdout } = await promisify(execFile)(process.execPath, [RUN, ...given]);
    expect(stdout).toMatch(new RegExp(`^rxlock, ${way}: [3-5] losses, 0 overlaps, 0 without a next one`));
  });
});
