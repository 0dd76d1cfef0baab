/**
 * Each recipe of docs/recipes.md is a file that runs: the page shows it as it is, and a script beside this file plays it
 * on a real etcd.
 */
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startEtcd } from '../../scripts/etcd.cjs';

jest.setTimeout(60_000);

const ROOT = join(__dirname, '../..');
const RECIPES = readdirSync(join(ROOT, 'examples/recipes'));

describe('a recipe', () => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.stop());

  it.each(RECIPES)('%s is in the page as it is', (name) => {
    const page = readFileSync(join(ROOT, 'docs/recipes.md'), 'utf8');
    expect(page).toContain(readFileSync(join(ROOT, 'examples/recipes', name), 'utf8'));
  });

  it.each(RECIPES)('%s does what it says', async (name) => {
    const script = join(__dirname, 'recipes', name);
    const env = { ...process.env, ETCD: etcd.url };
    await promisify(execFile)(process.execPath, ['--unhandled-rejections=strict', script], { env, timeout: 50_000 });
  });
});
