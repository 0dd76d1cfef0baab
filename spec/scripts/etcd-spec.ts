/**
 * Which etcd the specs run on.
 */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findEtcd, freePort, startEtcd } from '../../scripts/etcd.cjs';

describe('the etcd of the specs', () => {
  const before = process.env['ETCD_BIN'];
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rxlock-etcd-spec-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
    if (before === undefined) delete process.env['ETCD_BIN'];
    else process.env['ETCD_BIN'] = before;
  });
  const etcd = (version: string): string => {
    const binary = join(folder, 'etcd');
    writeFileSync(binary, `#!/bin/sh\necho "etcd Version: ${version}"\n`, { mode: 0o755 });
    process.env['ETCD_BIN'] = binary;
    return binary;
  };

  it.each(['3.4.23', '3.5.16'])('%s serves both APIs', (version) => {
    const binary = etcd(version);
    expect(findEtcd()).toBe(binary);
    expect(findEtcd(undefined, true)).toBe(binary);
  });

  it.each(['3.6.4', '3.10.0', '4.0.0'])('%s is fine for v3; specs of v2 say what they need', (version) => {
    expect(etcd(version)).toBe(findEtcd());
    expect(() => findEtcd(undefined, true)).toThrow(/has no v2 API. Specs of the v2 API need etcd 3\.4 or 3\.5/);
  });

  it('is up when it says so, however much it says after that', async () => {
    const binary = etcd('3.5.16');
    const says = "printf 'ready to serve client requests%020000d' 0 >&2";
    appendFileSync(binary, `[ "$1" = --version ] && exit\n${says}\nexec sleep 60\n`);
    const server = await startEtcd();
    await server.stop();
  });

  it('listens on ports that no outgoing connection takes', async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, freePort));
    expect(new Set(ports).size).toBe(50);
    expect(Math.max(...ports)).toBeLessThan(32_768);
  });
});
