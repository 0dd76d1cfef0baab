/**
 * The dining philosophers, a short evening of them: `node examples/philosophers.mjs` is the long one.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, jest } from '@jest/globals';

jest.setTimeout(60_000);

const EXAMPLE = join(__dirname, '../../examples/philosophers.mjs');

describe('philosophers in two processes on etcd v3', () => {
  it('all eat, and never beside a neighbour who does', async () => {
    const given = ['--seconds', '4', '--philosophers', '10', '--processes', '2', '--forks', 'all'];
    // Ends with 1 when two neighbours ate at once, or somebody not at all.
    const { stdout } = await promisify(execFile)(process.execPath, [EXAMPLE, ...given]);
    expect(stdout).toContain('locks.all(left, right)');
  });
});
