/**
 * The metrics, in seconds. docs/telemetry.md and the dashboard use these names.
 */
import type { Attributes, Meter } from '@opentelemetry/api';
import type { AcquireMessage, HoldMessage } from '../index.js';
import type { Listener } from './listen.js';
import { ATTRIBUTES, inSeconds, nameFor } from './names.js';
import type { NameOf } from './names.js';

/** Seconds: from a hand-off inside a process to a leader that leads for a day. */
const BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600, 3600, 86_400];
/** Seconds: from a fast round trip to the longest time that an attempt may take. */
const ROUND_TRIPS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

const seconds = (description: string, explicitBucketBoundaries: number[]) => ({
  unit: 's',
  description,
  advice: { explicitBucketBoundaries },
});

const { name: NAME, kind: KIND, outcome: OUTCOME, reason: REASON } = ATTRIBUTES;

export function metricsOf(meter: Meter, nameOf: NameOf): Listener {
  const acquireDuration = meter.createHistogram(
    'rxlock.acquire.duration',
    seconds('From contending for a lock to holding it, or to the end of the wait', BUCKETS),
  );
  const holdDuration = meter.createHistogram(
    'rxlock.hold.duration',
    seconds('From holding a lock to its release or its loss', BUCKETS),
  );
  const waiters = meter.createUpDownCounter('rxlock.waiters', {
    unit: '{contender}',
    description: 'How many wait for a lock in this process',
  });
  const held = meter.createUpDownCounter('rxlock.held', {
    unit: '{lock}',
    description: 'How many locks are held in this process',
  });
  const losses = meter.createCounter('rxlock.losses', {
    unit: '{loss}',
    description: 'Locks that were held and were lost, by reason',
  });
  const renewalDuration = meter.createHistogram(
    'rxlock.renewal.duration',
    seconds('From the send of a renewal to its answer', ROUND_TRIPS),
  );
  const renewalFailures = meter.createCounter('rxlock.renewal.failures', {
    unit: '{attempt}',
    description: 'Attempts to renew that were not answered',
  });
  const outages = meter.createUpDownCounter('rxlock.outages', {
    unit: '{outage}',
    description: 'Locks objects in this process whose server does not answer at the moment',
  });
  const outageDuration = meter.createHistogram(
    'rxlock.outage.duration',
    seconds('From the first unanswered request to the next answer', BUCKETS),
  );

  // Waits and holds that began before we subscribed must not be subtracted when they end.
  const counted = new WeakSet();
  const down = new WeakSet();
  const about = (message: AcquireMessage | HoldMessage): Attributes => ({
    [NAME]: nameFor(nameOf, message),
    [KIND]: message.kind,
  });

  return {
    waits(message) {
      counted.add(message);
      waiters.add(1, about(message));
    },
    waited(message) {
      const { outcome = 'failed', waitedFor = 0 } = message;
      if (counted.delete(message)) waiters.add(-1, about(message));
      acquireDuration.record(inSeconds(waitedFor), { ...about(message), [OUTCOME]: outcome });
    },
    holds(message) {
      counted.add(message);
      held.add(1, about(message));
    },
    held(message) {
      const { outcome = 'released', heldFor = 0, reason } = message;
      if (counted.delete(message)) held.add(-1, about(message));
      holdDuration.record(inSeconds(heldFor), { ...about(message), [OUTCOME]: outcome });
      if (reason) losses.add(1, { ...about(message), [REASON]: reason });
    },
    renewal(message) {
      if (message.type === 'renewed') renewalDuration.record(inSeconds(message.took));
      else renewalFailures.add(1);
    },
    outage(message) {
      if (message.type === 'disconnected') {
        down.add(message.locks);
        outages.add(1);
        return;
      }
      if (down.delete(message.locks)) outages.add(-1);
      outageDuration.record(inSeconds(message.downFor));
    },
  };
}
