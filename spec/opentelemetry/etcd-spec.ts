/**
 * What is traced and measured on a real etcd, and that the dashboard asks for nothing else.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { filter, firstValueFrom } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { LockLostError, createLocks } from '../../src/index.js';
import type { LockEvent } from '../../src/index.js';
import { telemetry } from './sdk.js';
import type { Telemetry } from './sdk.js';

jest.setTimeout(30_000);

const DASHBOARD = join(__dirname, '../../docs/telemetry/grafana.json');

/** The expressions of all panels. */
const expressions = (): string[] => {
  const { panels } = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as {
    panels: { targets?: { expr: string }[] }[];
  };
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
};

/** As the specification maps names to Prometheus, which the collector and Prometheus itself do: with the unit. */
const withUnit = (name: string): string => name.replace(/^(rxlock_\w+_duration)(_bucket|_sum|_count)$/, '$1_seconds$2');

describe('on a real etcd', () => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let heard: Telemetry;
  let text: string;

  beforeAll(async () => {
    etcd = await startEtcd();
    heard = telemetry();
    const locks = createLocks(etcd3Backend({ hosts: etcd.url }), { ttl: 2000, owner: 'spec' });
    const renewed = firstValueFrom(locks.events$.pipe(filter(({ type }) => type === 'renewed')));
    const held = await locks.mutex('invoices/1').acquire();
    const waiting = locks.mutex('invoices/1').use(() => renewed);
    await held.release();
    await waiting;
    const lost = locks.mutex('reports/nightly').use(() => new Promise(() => undefined));
    const ownership$ = locks.mutex('reports/nightly').ownership$();
    await firstValueFrom(ownership$.pipe(filter(({ status }) => status === 'held')));
    await Promise.all([
      expect(lost).rejects.toBeInstanceOf(LockLostError),
      locks.mutex('reports/nightly').revoke({ reason: 'drained', within: 0 }),
    ]);
    // An outage in which a renewal fails, and its end.
    const heardOf = (wanted: LockEvent['type']): Promise<unknown> =>
      firstValueFrom(locks.events$.pipe(filter(({ type }) => type === wanted)));
    await locks.mutex('reports/nightly').acquire();
    const begun = Promise.all([heardOf('renewal-failed'), heardOf('disconnected')]);
    etcd.signal('SIGSTOP');
    await begun;
    const connected = heardOf('connected');
    etcd.signal('SIGCONT');
    await connected;
    await locks.close();
    text = await heard.prometheus();
  });
  afterAll(async () => {
    heard.stop();
    await etcd.stop();
    if (process.env['SHOW'] === undefined) return;
    for (const { name, parentSpanContext, links, attributes, status, duration } of heard.spans()) {
      process.stdout.write(
        `${JSON.stringify({ name, parent: parentSpanContext?.spanId, links: links.map(({ context }) => context.spanId), attributes, status, duration })}\n`,
      );
    }
    process.stdout.write(text.replace(/^.*_bucket.*\n/gm, ''));
  });

  it('each hold is linked to its wait', () => {
    const spans = heard.spans();
    const waits = spans.filter(({ name }) => name.startsWith('acquire')).map((span) => span.spanContext().spanId);
    const holds = spans.filter(({ name }) => name.startsWith('hold'));
    expect(holds.length).toBeGreaterThanOrEqual(4);
    for (const { links } of holds) expect(waits).toContain(links[0]?.context.spanId);
    expect(holds.map(({ attributes }) => attributes['rxlock.reason'])).toContain('revoked');
  });

  it('every metric that the dashboard asks for is there, with the labels it asks for', () => {
    const series = [...text.matchAll(/^(rxlock_\w+)(?:\{(.*?)\})? /gm)].map(([, name = '', labels = '']) => ({
      name,
      labels: [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label),
    }));
    const asked = expressions();
    expect(asked.length).toBeGreaterThan(7);
    for (const expr of asked) {
      const selectors = [...expr.matchAll(/__name__=~"([^"]+)"|\b(rxlock_\w+)(?=[{[)]|$)/g)];
      // Labels are named rxlock_ as well, in by (…) alone.
      const names = selectors
        .map(([, pattern, name]) => pattern ?? name ?? '')
        .filter((name) => !LABELS.includes(name));
      expect({ expr, names: names.length }).not.toEqual({ expr, names: 0 });
      const by = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '));
      for (const name of names) {
        const isIt = new RegExp(`^(?:${name})$`);
        const found = series.filter((one) => isIt.test(one.name));
        expect({ expr, name, found: found.length > 0 }).toEqual({ expr, name, found: true });
        expect({ expr, withUnit: found.every((one) => isIt.test(withUnit(one.name))) }).toEqual({
          expr,
          withUnit: true,
        });
        const labels = new Set(found.flatMap((one) => one.labels));
        expect({ expr, unknown: by.filter((label) => !labels.has(label)) }).toEqual({ expr, unknown: [] });
      }
    }
  });

  it('every metric is on the dashboard', () => {
    const all = expressions().join('\n');
    const described = [...text.matchAll(/^# HELP (rxlock_\w+)/gm)].map(([, name = '']) => name);
    expect(described).toHaveLength(9);
    for (const name of described) expect(all).toContain(name);
  });
});

const LABELS: readonly string[] = ['rxlock_name', 'rxlock_kind', 'rxlock_outcome', 'rxlock_reason'];
