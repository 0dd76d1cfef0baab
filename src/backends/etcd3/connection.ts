/**
 * One stream of etcd's that carries many watches, from its opening to its end. It is not opened again: whoever followed
 * reads first.
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

/** What we say on the stream. */
export interface WatchRequest {
  create_request?: { key: Buffer; range_end?: Buffer; start_revision?: string; watch_id: number };
  cancel_request?: { watch_id: number };
}

/** What we hear on it. */
export interface WatchResponse {
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly cancel_reason: string;
  readonly compact_revision: string;
  readonly events: readonly Change[];
}

export interface StreamSource {
  open(): Promise<Stream>;
  /** The stream broke: the next one goes to another endpoint, where there is one. */
  failed(): void;
  /** Whether what is there keeps to the ids asked for, as etcd does, and a proxy before it does not. */
  keepsIds(does: boolean): void;
}

/** A watch, as its stream sees it. */
export interface Watch {
  readonly range: KeyRange;
  /** Of what is known already: it is watched from there on. */
  readonly revision: bigint;
  created(): void;
  changed(changes: readonly Change[]): void;
  failed(error: BackendError): void;
}

/** A watch that was asked for. */
interface Asked {
  readonly id: number;
  readonly request: WatchRequest;
  /** Nothing, once nobody listens: then it is cancelled as soon as the server has said its id. */
  watch: Watch | undefined;
  /** The id in the server's answer: what it calls the watch from then on, whatever we asked for. */
  answered: number | undefined;
}

/**
 * Ids that no server gives by itself: those begin at 0. `etcd grpc-proxy` gives ids of its own and passes over ours, so
 * an answer with ours says that the server keeps to them.
 */
const FIRST_ID = 2 ** 40;

export class Connection {
  readonly #source: StreamSource;
  readonly #clock: Clock;
  /** By the id in the server's answer; with those that were given up, until the server has said that they ended. */
  readonly #answered = new Map<number, Asked>();
  /** By the id asked for, in the order of asking. */
  readonly #unanswered = new Map<number, Asked>();
  readonly #probes = new Set<Subscriber<void>>();
  #unsent: Asked[] = [];
  #ids = FIRST_ID;
  #listeners = 0;
  /** Whether the server keeps to our ids, once it has shown it. Then it matters little in which order it answers. */
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

  /** Whether more can be watched on it: etcd asks the token that it was opened with for each watch, when it begins. */
  get takesMore(): boolean {
    return !this.#isOver && !this.#isTokenStale;
  }

  /** Until the returned function is called. */
  watch(watch: Watch): () => void {
    const { range, revision } = watch;
    this.#listeners += 1;
    const asked = this.#ask(watch, { ...range, start_revision: (revision + 1n).toString() });
    return () => this.#giveUp(asked);
  }

  /** Completes when anything is heard. Given up for want of an answer, the stream is broken. */
  probe(subscriber: Subscriber<void>, timeout: number): () => void {
    const since = this.#clock.now();
    this.#probes.add(subscriber);
    // Not a progress request, of which `etcd grpc-proxy` hears nothing: one more watch, of a key that nobody else
    // watches, so that the proxy has to ask its server. It is cancelled as soon as it is answered.
    if (this.#unanswered.size === 0) this.#ask(undefined, { key: this.#probeKey() });
    return () => {
      if (!this.#probes.delete(subscriber) || this.#isOver) return;
      if (isGivenUpLate(this.#clock, since, timeout)) this.broken(new Error('the watch stream is silent'));
    };
  }

  /** Inside of what is watched, so that whoever may read that may watch it. */
  #probeKey(): Buffer {
    const [{ request } = {}] = [...this.#answered.values(), ...this.#unsent].filter(({ watch }) => watch);
    return Buffer.concat([request?.create_request?.key ?? Buffer.of(0), Buffer.from(`\0probe-${this.#ids}`)]);
  }

  #ask(watch: Watch | undefined, range: Omit<NonNullable<WatchRequest['create_request']>, 'watch_id'>): Asked {
    const id = (this.#ids += 1);
    const asked: Asked = { id, request: { create_request: { ...range, watch_id: id } }, watch, answered: undefined };
    this.#unsent.push(asked);
    this.#sendNext();
    return asked;
  }

  /** All at once where the answers tell which is which, otherwise one by one. */
  #sendNext(): void {
    const stream = this.#stream;
    if (!stream || this.#isOver) return;
    while (this.#unsent.length > 0 && (this.#keepsIds || this.#unanswered.size === 0)) {
      const some = this.#keepsIds ? this.#unsent.splice(0) : this.#unsent.splice(0, 1);
      for (const asked of some) {
        this.#unanswered.set(asked.id, asked);
        stream.write(asked.request);
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
      if (asked.watch) asked.watch.created();
      else this.#cancel(id);
    }
    this.#sendNext();
  }

  /** A refusal may come without an id: of the first, since etcd answers in the order of asking. */
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
    if (stray) return this.broken(new Error(`it told of ${stray.kv.key.toString()} where ${nameOf(watch)} is watched`));
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
    // Nobody is told anything by this stream any more, so nobody misses anything.
    this.#answerProbes();
  }
}

const nameOf = ({ range: { key } }: Watch): string => `"${key.toString()}"`;

/**
 * Ended before it is cancelled: the client takes a cancelled stream that is still writable for a failure of the host,
 * drops its connections, and counts it towards its circuit breaker (measured).
 */
function hangUp(stream: Stream): void {
  stream.end();
  stream.cancel();
}

function refusal({ cancel_reason, compact_revision }: WatchResponse): BackendError {
  const reason = cancel_reason || `its start was compacted, up to revision ${compact_revision}`;
  return toBackendError('follow the queue', new Error(reason));
}
