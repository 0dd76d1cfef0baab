/**
 * Two spans for each acquired lock: the wait and the hold.
 */
import { SpanKind, SpanStatusCode, context } from '@opentelemetry/api';
import type { Context, Exception, Span, Tracer } from '@opentelemetry/api';
import { reasonOf } from '../api/texts.js';
import type { AcquireMessage, HoldMessage } from '../index.js';
import type { Listener } from './listen.js';
import { ATTRIBUTES, nameFor } from './names.js';
import type { NameOf } from './names.js';

/** A traced wait. */
interface Wait {
  readonly span: Span;
  /** The context of the subscriber. */
  readonly parent: Context;
}

/** The outcomes that are errors. `busy` is none: another client was faster. */
const FAULTS: readonly AcquireMessage['outcome'][] = ['failed', 'timeout'];

export function spansOf(tracer: Tracer, nameOf: NameOf): Listener {
  const waits = new WeakMap<AcquireMessage, Wait>();
  const holds = new WeakMap<HoldMessage, Span>();
  const attributes = (message: AcquireMessage | HoldMessage): Record<string, string> => ({
    [ATTRIBUTES.name]: nameFor(nameOf, message),
    [ATTRIBUTES.key]: message.key,
    [ATTRIBUTES.kind]: message.kind,
    [ATTRIBUTES.owner]: message.owner,
  });

  return {
    waits(message) {
      const parent = context.active();
      const options = { kind: SpanKind.CLIENT, attributes: attributes(message) };
      const span = tracer.startSpan(`acquire ${nameFor(nameOf, message)}`, options, parent);
      waits.set(message, { span, parent });
    },
    waited(message) {
      const span = waits.get(message)?.span;
      if (!span) return;
      const { outcome, error } = message;
      if (outcome) span.setAttribute(ATTRIBUTES.outcome, outcome);
      if (FAULTS.includes(outcome)) failed(span, error);
      span.end();
    },
    holds(message) {
      const wait = waits.get(message.acquire);
      // The hold can outlive its wait, so it is no child of it: it has the same parent, and a link to the wait.
      const options = {
        kind: SpanKind.INTERNAL,
        attributes: { ...attributes(message), [ATTRIBUTES.fencingToken]: String(message.fencingToken) },
        links: wait ? [{ context: wait.span.spanContext() }] : [],
      };
      const parent = wait?.parent ?? context.active();
      holds.set(message, tracer.startSpan(`hold ${nameFor(nameOf, message)}`, options, parent));
    },
    held(message) {
      const span = holds.get(message);
      if (!span) return;
      const { outcome, reason, error } = message;
      if (outcome) span.setAttribute(ATTRIBUTES.outcome, outcome);
      if (reason) span.setAttribute(ATTRIBUTES.reason, reason);
      if (outcome === 'lost') failed(span, error);
      span.end();
    },
  };
}

function failed(span: Span, error: unknown): void {
  const message = reasonOf(error);
  const exception: Exception = error instanceof Error ? error : message;
  span.recordException(exception);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}
