import { metrics, trace } from '@opentelemetry/api';
import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import { checkedNames } from '../api/known-options.js';
import { InvalidOptionError } from '../index.js';
import { listen } from './listen.js';
import { metricsOf } from './metrics.js';
import { firstPart } from './names.js';
import type { NameOf } from './names.js';
import { spansOf } from './spans.js';

/** The options of {@link instrumentLocks}. */
export interface InstrumentOptions {
  /**
   * The name under which a key is traced and measured. By default the part before the first `/`: `invoices` for
   * `invoices/17`. Return only few different names: each is a series of its own in every metric.
   */
  readonly nameOf?: NameOf | undefined;
  /** The provider for spans; the global one by default. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** The provider for metrics; the global one by default. */
  readonly meterProvider?: MeterProvider | undefined;
}

/** The running instrumentation. */
export interface Instrumentation {
  /** Stops tracing and measuring; spans that are open stay open. */
  stop(): void;
}

/**
 * Traces and measures all locks of this process, with OpenTelemetry: two spans for each lock, the wait and the hold,
 * and the metrics of docs/telemetry.md. Call it once, after the set-up of the SDK and before locks are used.
 *
 * ```text
 * your span    ----------------------
 * acquire k      -------                 the wait
 * hold k                --------         linked to the wait
 * ```
 *
 * @throws InvalidOptionError for unknown options, and for a `nameOf` that is no function
 * @example
 * const instrumentation = instrumentLocks({ nameOf: (key) => key.split('/').slice(0, 2).join('/') });
 * process.once('SIGTERM', () => instrumentation.stop());
 */
export function instrumentLocks(options: InstrumentOptions = {}): Instrumentation {
  checkedNames('instrumentLocks', options);
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

/** The instrumentation scope of every span and metric. */
const SCOPE = 'rxlock';
