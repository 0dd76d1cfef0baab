/**
 * Starts app.ts three times on one etcd, kills one of them in between, and counts who did which tick:
 * `node examples/nestjs/run.mjs [ticks]`, after `npm run build`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';
import { startEtcd } from '../../scripts/etcd.cjs';

const ticks = Number(process.argv[2] ?? 20);
const main = fileURLToPath(new URL(`.app-${process.pid}.mjs`, import.meta.url));
const { code } = transformSync(readFileSync(new URL('app.ts', import.meta.url), 'utf8'), {
  swcrc: false,
  jsc: {
    target: 'es2022',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true },
  },
});
writeFileSync(main, code);

const etcd = await startEtcd();
const by = new Map();
const instances = ['a', 'b', 'c'].map((name) => {
  const instance = spawn(process.execPath, [main], {
    env: { ...process.env, ETCD: etcd.url },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { name, instance, lines: createInterface({ input: instance.stdout }) };
});
try {
  await new Promise((resolve) => {
    let killed;
    for (const { name, instance, lines } of instances) {
      lines.on('line', (line) => {
        const [, what, key] = /^(sending|sent) (.*)$/.exec(line) ?? [];
        if (what === 'sent') by.set(key, [...(by.get(key) ?? []), name]);
        if (by.size >= ticks && (!killed || by.has(killed))) resolve();
        if (what !== 'sending' || killed || by.size < ticks / 3) return;
        killed = key;
        instance.kill('SIGKILL');
        console.log(`${name} is killed while it is sending ${key}`);
      });
    }
  });
} finally {
  for (const { instance } of instances) {
    const over = instance.exitCode !== null || instance.signalCode !== null ? undefined : once(instance, 'exit');
    instance.kill('SIGTERM');
    await over;
  }
  await etcd.stop();
  rmSync(main);
}
for (const [key, names] of [...by].sort()) console.log(`${key} sent by ${names.join(' and ')}`);
const twice = [...by.values()].filter((names) => names.length > 1).length;
console.log(`${by.size} ticks, ${twice} of them twice`);
process.exitCode = twice > 0 ? 1 : 0;
