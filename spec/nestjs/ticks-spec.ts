/**
 * The application of examples/nestjs, three times on one etcd, one of them killed while it works.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, jest } from '@jest/globals';

jest.setTimeout(60_000);

const EXAMPLE = join(__dirname, '../../examples/nestjs');

it('does each tick once, that of the killed instance, too', () => {
  const { stdout, stderr } = spawnSync(process.execPath, [join(EXAMPLE, 'run.mjs'), '6'], { encoding: 'utf8' });
  const killed = /^(.) is killed while it is sending (.*)$/m.exec(stdout);
  expect(killed ?? stderr).toHaveLength(3);
  const sent = [...stdout.matchAll(/^(\S+) sent by (.*)$/gm)].map(([, key = '', by = '']) => ({ key, by }));
  expect(sent.length).toBeGreaterThanOrEqual(6);
  expect(sent.filter(({ by }) => !/^[abc]$/.test(by))).toEqual([]);
  expect(sent.find(({ key }) => key === killed?.[2])?.by).not.toBe(killed?.[1]);
});

it('is an application of under 30 lines', () => {
  const lines = readFileSync(join(EXAMPLE, 'app.ts'), 'utf8').split('\n');
  expect(lines.filter((line) => line.trim() !== '').length).toBeLessThan(30);
});
