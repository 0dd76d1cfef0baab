/**
 * One stream of etcd that carries many watches, from its opening to its end. It is never reopened: its users must read
 * again before they watch again.
 */
import type { Subscriber } from 'rxjs';
import type { Clock } from '../../time/clock.js';
import type { BackendError } from '../../api/errors.js';
import { isGivenUpLate } from './calls.js';
import type { DuplexStream } from './client/duplex.js';
import { isTokenStale, toBackendError } from './errors.js';
import { isWithin } from './keys.js';
import type { Change, KeyRange } from './keys.js';

type Stream = DuplexStream<WatchRequest, WatchResponse>;

/** The messages that we send on the stream. */
export interface WatchRequest {
  create_request?: { key: Buffer; range_end?: Buffer; start_revision?: string; watch_id: number };
  cancel_request?: { watch_id: number };
}

/** The messages that we receive on it. */
export interface WatchResponse {
  readonly header: { readonly revision: string } | null;
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly cancel_reason: string;
  readonly compact_revision: string;
  readonly events: readonly Change[];
}

export interface StreamSource {
  open(): Promise<Stream>;
  /** The stream broke: the next one goes to another endpoint, if there is one. */
  failed(): void;
  /** Whether the other side uses the ids that we ask for: etcd does, and a proxy in front of it does not. */
  keepsIds(does: boolean): void;
}

/** A watch on the stream. */
export interface Watch {
  readonly range: KeyRange;
  /** The known revision: events after it are watched. `undefined` for all events from now on. */
  readonly revision: bigint | undefined;
  /** The server watches. If no revision was given, events after this one are watched; 0 if it does not tell. */
  created(revision: bigint): void;
  changed(changes: readonly Change[]): void;
  failed(error: BackendError): void;
}

/** A requested watch. */
interface Asked {
  readonly id: number;
  /** For a probe, which has no watch. */
  readonly probeKey: Buffer | undefined;
  /** `undefined` once nobody listens: then the watch is cancelled as soon as the server has answered with its id. */
  watch: Watch | undefined;
  /** The id in the answer of the server. From then on it is the name of the watch, even if we asked for another. */
  answered: number | undefined;
}

/**
 * Our ids begin here, far above those that a server chooses, which begin at 0. `etcd grpc-proxy` ignores our ids and
 * chooses its own, so an answer with our id proves that the server uses our ids.
 */
const FIRST_ID = 2 ** 40;

export class Connection {
  readonly #source: StreamSource;
  readonly #clock: Clock;
  /** The answered watches, by the id in the answer. Cancelled watches stay until the server has confirmed their end. */
  readonly #answered = new Map<number, Asked>();
  /** The unanswered watches, by the requested id, in the order of the requests. */
  readonly #unanswered = new Map<number, Asked>();
  readonly #probes = new Set<Subscriber<void>>();
  #unsent: Asked[] = [];
  #ids = FIRST_ID;
  #listeners = 0;
  /**
   * Whether the server uses our ids; `undefined` until it has shown that. If it does, answers may come in any order.
   */
  #keepsIds: boolean | undefined;
  #stream: Stream | undefined;
  #isOver = false;
  #isTokenStale = false;

  constructor(source: StreamSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
    source.open().then(
      (stream) => this.#opened(stream),
      (error: unknown) => this.broken(error),
    );
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether it takes more watches. For each new watch etcd checks the token with which the stream was opened. */
  get takesMore(): boolean {
    return !this.#isOver && !this.#isTokenStale;
  }

  /** Watches until the returned function is called. */
  watch(watch: Watch): () => void {
    this.#listeners += 1;
    const asked = this.#ask(watch);
    return () => this.#giveUp(asked);
  }

  /** Completes when any message arrives. If it is given up at its timeout, the stream counts as broken. */
  probe(subscriber: Subscriber<void>, timeout: number): () => void {
    const since = this.#clock.now();
    this.#probes.add(subscriber);
    // The probe is one more watch, of a key that nobody else watches, so that `etcd grpc-proxy` must ask its server. (A
    // progress request gets no answer through the proxy.) The watch is cancelled as soon as it is answered.
    if (this.#unanswered.size === 0) this.#ask(undefined, this.#probeKey());
    return () => {
      if (!this.#probes.delete(subscriber) || this.#isOver) return;
      if (isGivenUpLate(this.#clock, since, timeout)) this.broken(new Error('the watch stream is silent'));
    };
  }

  /** A key inside a watched range, so that the role may watch it. */
  #probeKey(): Buffer {
    const [{ watch } = {}] = [...this.#answered.values(), ...this.#unsent].filter((asked) => asked.watch);
    return Buffer.concat([watch?.range.key ?? Buffer.of(0), Buffer.from(`\0probe-${this.#ids}`)]);
  }

  #ask(watch: Watch | undefined, probeKey?: Buffer): Asked {
    const asked: Asked = { id: (this.#ids += 1), probeKey, watch, answered: undefined };
    this.#unsent.push(asked);
    this.#sendNext();
    return asked;
  }

  /** Sends all requests at once if the server uses our ids, otherwise one by one. */
  #sendNext(): void {
    const stream = this.#stream;
    if (!stream || this.#isOver) return;
    while (this.#unsent.length > 0 && (this.#keepsIds || this.#unanswered.size === 0)) {
      const some = this.#keepsIds ? this.#unsent.splice(0) : this.#unsent.splice(0, 1);
      for (const asked of some) {
        this.#unanswered.set(asked.id, asked);
        stream.write(requestOf(asked));
      }
    }
  }

  #giveUp(asked: Asked): void {
    if (!asked.watch || this.#isOver) return;
    asked.watch = undefined;
    this.#listeners -= 1;
    if (this.#listeners === 0) return this.#close();
    if (asked.answered !== undefined) this.#cancel(asked.answered);
    else if (!this.#unanswered.has(asked.id)) this.#unsent.splice(this.#unsent.indexOf(asked), 1);
  }

  #cancel(id: number): void {
    this.#stream?.write({ cancel_request: { watch_id: id } });
  }

  #opened(stream: Stream): void {
    this.#stream = stream;
    if (this.#isOver) return hangUp(stream);
    stream.on('error', (error: unknown) => this.broken(error));
    stream.on('end', () => this.broken(new Error('the stream ended')));
    stream.on('data', (response) => this.#heard(response));
    this.#sendNext();
  }

  #heard(response: WatchResponse): void {
    if (this.#isOver) return;
    this.#answerProbes();
    const id = Number(response.watch_id);
    if (response.created) return this.#created(id, response);
    const asked = this.#answered.get(id);
    if (response.canceled) {
      this.#answered.delete(id);
      if (asked) this.#refused(asked, response);
    } else if (response.events.length > 0) {
      this.#changed(id, asked, response.events);
    }
  }

  #created(id: number, response: WatchResponse): void {
    const asked = this.#answerTo(id, response.canceled);
    if (!asked) return this.broken(new Error(`it answered watch ${id}, which was not asked for`));
    this.#unanswered.delete(asked.id);
    if (response.canceled) {
      this.#refused(asked, response);
    } else {
      this.#keepsIds = id === asked.id;
      this.#source.keepsIds(this.#keepsIds);
      asked.answered = id;
      this.#answered.set(id, asked);
      if (asked.watch) asked.watch.created(BigInt(response.header?.revision ?? 0));
      else this.#cancel(id);
    }
    this.#sendNext();
  }

  /**
   * The watch that an answer belongs to. A refusal without a known id belongs to the first one, since etcd answers in
   * the order of the requests.
   */
  #answerTo(id: number, isRefused: boolean): Asked | undefined {
    const [first] = this.#unanswered.values();
    if (isRefused) return this.#unanswered.get(id) ?? first;
    return this.#keepsIds ? this.#unanswered.get(id) : this.#answered.has(id) ? undefined : first;
  }

  #changed(id: number, asked: Asked | undefined, changes: readonly Change[]): void {
    if (!asked) return this.broken(new Error(`it sent an event of watch ${id}, which was not asked for`));
    const { watch } = asked;
    if (!watch) return;
    const stray = changes.find(({ kv }) => !isWithin(kv.key, watch.range));
    if (stray)
      return this.broken(
        new Error(`it reported a change of ${stray.kv.key.toString()} on the watch of ${nameOf(watch)}`),
      );
    watch.changed(changes);
  }

  #refused(asked: Asked, response: WatchResponse): void {
    const { watch } = asked;
    const error = refusal(response);
    if (isTokenStale(error.cause)) this.#isTokenStale = true;
    if (!watch) return;
    asked.watch = undefined;
    this.#listeners -= 1;
    watch.failed(error);
    if (this.#listeners === 0 && !this.#isOver) this.#close();
  }

  #answerProbes(): void {
    for (const probe of this.#probes) {
      this.#probes.delete(probe);
      probe.next();
      probe.complete();
    }
  }

  broken(error: unknown): void {
    if (this.#isOver) return;
    const asked = [...this.#answered.values(), ...this.#unanswered.values(), ...this.#unsent];
    const probes = [...this.#probes];
    this.#probes.clear();
    this.#close();
    this.#source.failed();
    const cause = toBackendError('follow the queues', error);
    for (const { watch } of asked) watch?.failed(cause);
    for (const probe of probes) probe.error(cause);
  }

  #close(): void {
    this.#isOver = true;
    if (this.#stream) hangUp(this.#stream);
    // The stream has no listeners any more, so a probe has nothing to report.
    this.#answerProbes();
  }
}

/** Made when it is sent, not kept: there may be ten thousand watches. */
function requestOf({ id, watch, probeKey }: Asked): WatchRequest {
  if (!watch) return { create_request: { key: probeKey ?? Buffer.of(0), watch_id: id } };
  const { range, revision } = watch;
  const start = revision === undefined ? {} : { start_revision: (revision + 1n).toString() };
  return { create_request: { ...range, ...start, watch_id: id } };
}

const nameOf = ({ range: { key } }: Watch): string => `"${key.toString()}"`;

/**
 * Ends the stream before it cancels it. npm etcd3 takes a cancelled stream that is still writable for a failure of the
 * host: it drops its connections, and counts the failure towards its circuit breaker (measured).
 */
function hangUp(stream: Stream): void {
  stream.end();
  stream.cancel();
}

function refusal({ cancel_reason, compact_revision }: WatchResponse): BackendError {
  const reason = cancel_reason || `its start was compacted, up to revision ${compact_revision}`;
  return toBackendError('follow the queue', new Error(reason));
}
