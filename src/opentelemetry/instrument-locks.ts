import { metrics, trace } from '@opentelemetry/api';
import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import { InvalidOptionError } from '../index.js';
import { listen } from './listen.js';
import { metricsOf } from './metrics.js';
import { firstPart } from './names.js';
import type { NameOf } from './names.js';
import { spansOf } from './spans.js';

/** The options of {@link instrumentLocks}. */
export interface InstrumentOptions {
  /**
   * The name under which a key is traced and measured: `invoices` of `invoices/17` by default, all that is before the
   * first `/`. Let it give few different ones, each is a series of its own in every metric.
   */
  readonly nameOf?: NameOf | undefined;
  /** Where spans go; the global one by default. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Where metrics go; the global one by default. */
  readonly meterProvider?: MeterProvider | undefined;
}

/** What listens, until it is stopped. */
export interface Instrumentation {
  /** Nothing is traced or measured from now on; what is under way is not ended. */
  stop(): void;
}

/**
 * Traces and measures all locks of this process, with OpenTelemetry: two spans for each lock, the wait and the hold, and
 * the metrics of docs/telemetry.md. To be called once, after the SDK was set up and before locks are taken.
 *
 * ```text
 * your span    ----------------------
 * acquire k      -------                 the wait
 * hold k                --------         linked to the wait
 * ```
 *
 * @throws InvalidOptionError for a `nameOf` that is no function
 * @example
 * const instrumentation = instrumentLocks({ nameOf: (key) => key.split('/').slice(0, 2).join('/') });
 * process.once('SIGTERM', () => instrumentation.stop());
 */
export function instrumentLocks(options: InstrumentOptions = {}): Instrumentation {
  const { nameOf = firstPart, tracerProvider = trace, meterProvider = metrics } = options;
  if (typeof nameOf !== 'function') {
    throw new InvalidOptionError('nameOf', nameOf, 'give a function from a key to a name.');
  }
  const stops = [
    listen(spansOf(tracerProvider.getTracer(SCOPE), nameOf)),
    listen(metricsOf(meterProvider.getMeter(SCOPE), nameOf)),
  ];
  return {
    stop() {
      for (const stop of stops.splice(0)) stop();
    },
  };
}

/** Who says it, in every span and metric. */
const SCOPE = 'rxlock';
