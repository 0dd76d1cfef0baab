/**
 * Spans and metrics of locks, by the real SDK, in virtual time.
 */
import { context, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, it } from '@jest/globals';
import { NEVER, VirtualTimeScheduler } from 'rxjs';
import { InvalidOptionError, usingLock } from '../../src/index.js';
import { instrumentLocks } from '../../src/opentelemetry/index.js';
import { lockServer } from '../../src/testing/index.js';
import { SLOW } from '../support/marbles.js';
import { telemetry } from './sdk.js';
import type { Point, Telemetry } from './sdk.js';

const running: Telemetry[] = [];
const listening = (...options: Parameters<typeof telemetry>): Telemetry => {
  const made = telemetry(...options);
  running.push(made);
  return made;
};
afterEach(() => {
  for (const one of running.splice(0)) one.stop();
});

const setUp = () => {
  const scheduler = new VirtualTimeScheduler(undefined, 1000);
  const server = lockServer(scheduler, { latency: 1 });
  const until = (frame: number): void => {
    scheduler.schedule(() => undefined, frame - scheduler.frame);
    scheduler.maxFrames = frame;
    scheduler.flush();
  };
  return { client: (owner: string) => server.client({ ...SLOW, owner }), until };
};

const of = (points: readonly Point[], name: string) =>
  points.filter((point) => point.name === name).map(({ attributes, value }) => [attributes, value]);

describe('spans', () => {
  it('are the wait and the hold, in the trace of who subscribed, the hold linked to the wait', () => {
    const { tracer, spans } = listening();
    const { client, until } = setUp();
    const request = tracer.startSpan('request');
    const holding = context.with(trace.setSpan(context.active(), request), () =>
      usingLock(client('a').mutex('invoices/17'), () => NEVER).subscribe(),
    );
    until(10);
    holding.unsubscribe();
    const [acquire, hold] = spans();
    expect(spans()).toHaveLength(2);
    expect(acquire).toMatchObject({
      name: 'acquire invoices',
      parentSpanContext: { spanId: request.spanContext().spanId },
      attributes: {
        'rxlock.name': 'invoices',
        'rxlock.key': 'invoices/17',
        'rxlock.kind': 'mutex',
        'rxlock.owner': 'a',
        'rxlock.outcome': 'acquired',
      },
    });
    expect(hold).toMatchObject({
      name: 'hold invoices',
      parentSpanContext: { spanId: request.spanContext().spanId },
      links: [{ context: acquire?.spanContext() }],
      attributes: { 'rxlock.outcome': 'released', 'rxlock.fencing_token': expect.any(String) },
    });
  });

  it('are in error for a loss and an outage, not for a lock that others hold', () => {
    const { spans } = listening();
    const { client, until } = setUp();
    const [a, b] = [client('a'), client('b')];
    const errors: unknown[] = [];
    const error = (thrown: unknown): void => void errors.push(thrown);
    a.mutex('k').lock$().subscribe({ error });
    until(10);
    b.mutex('k').lock$({ wait: 0 }).subscribe({ error });
    until(20);
    a.network.partition();
    until(80);
    const [held, busy, lost] = spans();
    expect(errors).toEqual([
      expect.objectContaining({ code: 'ALREADY_LOCKED' }),
      expect.objectContaining({ code: 'LOCK_LOST' }),
    ]);
    expect(held?.status).toEqual({ code: 0 });
    expect(busy).toMatchObject({ status: { code: 0 }, attributes: { 'rxlock.outcome': 'busy' } });
    expect(lost).toMatchObject({
      name: 'hold k',
      status: { code: 2, message: expect.stringContaining('Lost "k"') },
      attributes: { 'rxlock.outcome': 'lost', 'rxlock.reason': 'expired' },
      events: [expect.objectContaining({ name: 'exception' })],
    });
  });

  it('end with the instrumentation, and bad names are refused', () => {
    const { spans, stop } = listening();
    const { client, until } = setUp();
    stop();
    client('a').mutex('k').lock$().subscribe().unsubscribe();
    until(10);
    expect(spans()).toEqual([]);
    expect(() => instrumentLocks({ nameOf: 'k' as unknown as () => string })).toThrow(InvalidOptionError);
  });
});

describe('metrics', () => {
  it('say waits, holds, who waits and what is held, in seconds and by name', async () => {
    const { points } = listening();
    const { client, until } = setUp();
    const a = client('a');
    const first = a.mutex('invoices/1').lock$().subscribe();
    a.mutex('invoices/1').lock$().subscribe();
    a.all(a.mutex('rates/usd'), a.mutex('accounts/1')).lock$().subscribe();
    until(10);
    const invoices = { 'rxlock.name': 'invoices', 'rxlock.kind': 'mutex' };
    const both = { 'rxlock.name': 'rates + accounts', 'rxlock.kind': 'all' };
    const before = await points();
    expect(of(before, 'rxlock.waiters')).toEqual([
      [invoices, 1],
      [both, 0],
    ]);
    expect(of(before, 'rxlock.held')).toEqual([
      [invoices, 1],
      [both, 1],
    ]);
    first.unsubscribe();
    until(20);
    const after = await points();
    expect(of(after, 'rxlock.acquire.duration')).toEqual([
      [
        { ...invoices, 'rxlock.outcome': 'acquired' },
        { count: 2, sum: expect.any(Number) },
      ],
      [
        { ...both, 'rxlock.outcome': 'acquired' },
        { count: 1, sum: expect.any(Number) },
      ],
    ]);
    // Held from 4 to 10.
    expect(of(after, 'rxlock.hold.duration')).toEqual([
      [
        { ...invoices, 'rxlock.outcome': 'released' },
        { count: 1, sum: 0.006 },
      ],
    ]);
    expect(of(after, 'rxlock.waiters')).toEqual([
      [invoices, 0],
      [both, 0],
    ]);
    expect(after.filter(({ unit }) => unit === 's').map(({ name }) => name)).toContain('rxlock.renewal.duration');
  });

  it('say losses by reason, renewals, outages while they last and how long they took', async () => {
    const { points } = listening({ nameOf: (key) => key.toUpperCase() });
    const { client, until } = setUp();
    const locks = client('a');
    locks
      .mutex('k')
      .lock$()
      .subscribe({ error: () => undefined });
    until(16);
    locks.network.partition();
    until(25);
    expect(of(await points(), 'rxlock.outages')).toEqual([[{}, 1]]);
    until(60);
    locks.network.heal();
    locks
      .mutex('k')
      .lock$({ wait: 500 })
      .subscribe({ error: () => undefined });
    until(120);
    const after = await points();
    expect(of(after, 'rxlock.losses')).toEqual([
      [{ 'rxlock.name': 'K', 'rxlock.kind': 'mutex', 'rxlock.reason': 'expired' }, 1],
    ]);
    expect(of(after, 'rxlock.renewal.duration')).toEqual([
      [{}, { count: expect.any(Number), sum: expect.any(Number) }],
    ]);
    expect(of(after, 'rxlock.renewal.failures')).toEqual([[{}, expect.any(Number)]]);
    expect(of(after, 'rxlock.outages')).toEqual([[{}, 0]]);
    expect(of(after, 'rxlock.outage.duration')).toEqual([[{}, { count: expect.any(Number), sum: expect.any(Number) }]]);
  });
});
