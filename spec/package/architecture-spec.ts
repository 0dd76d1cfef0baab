/**
 * docs/architecture.md names files. They are there, so that a reader is not sent to where nothing is.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(__dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');

describe('docs/architecture.md', () => {
  it('names files that there are', () => {
    const named = [...PAGE.matchAll(/`([\w/-]+\/[\w-]+\.ts)`/g)].map(([, file = '']) => file);
    expect(named.length).toBeGreaterThan(30);
    const missing = named.filter((file) => !['src', '.'].some((room) => existsSync(join(ROOT, room, file))));
    expect(missing).toEqual([]);
  });

  it('walks to the port in at most 12 hops, and to the wire in at most 15', () => {
    const hops = [...PAGE.matchAll(/^\| (\d+) +\| `([^`]+)`/gm)].map(([, , file = '']) => file);
    expect(hops.length).toBeLessThanOrEqual(15);
    expect(hops.findIndex((file) => file.startsWith('backends/'))).toBeLessThan(12);
  });
});
