/**
 * The real SDK of OpenTelemetry, with what it exports kept in memory.
 */
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { instrumentLocks } from '../../src/opentelemetry/index.js';
import type { InstrumentOptions } from '../../src/opentelemetry/index.js';

/** Collects when asked to. */
class Reader extends MetricReader {
  override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

export interface Point {
  readonly name: string;
  readonly unit: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Of a histogram how many and their sum. */
  readonly value: number | { readonly count: number; readonly sum?: number };
}

export function telemetry(options: InstrumentOptions = {}) {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const reader = new Reader();
  const meterProvider = new MeterProvider({ readers: [reader] });
  const { stop } = instrumentLocks({ tracerProvider, meterProvider, ...options });
  const collect = async () => (await reader.collect()).resourceMetrics;
  return {
    tracer: tracerProvider.getTracer('the user'),
    spans: () => exporter.getFinishedSpans(),
    async points(): Promise<Point[]> {
      const { scopeMetrics } = await collect();
      return scopeMetrics.flatMap(({ metrics }) =>
        metrics.flatMap(({ descriptor: { name, unit }, dataPoints }) =>
          dataPoints.map(({ attributes, value }): Point => {
            const { count, sum } = value as { count: number; sum?: number };
            const shown = typeof value === 'number' ? value : { count, ...(sum === undefined ? {} : { sum }) };
            return { name, unit, attributes, value: shown };
          }),
        ),
      );
    },
    async prometheus(): Promise<string> {
      // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the exporter has a copy of the SDK of its own
      return new PrometheusSerializer().serialize(await collect());
    },
    stop() {
      stop();
      context.disable();
    },
  };
}

export type Telemetry = ReturnType<typeof telemetry>;
