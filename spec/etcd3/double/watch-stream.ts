/**
 * Many watches on one stream, as etcd has them; or as `etcd grpc-proxy` does, which gives ids of its own.
 */
import type { ResponseHeader, WatchRequest, WatchResponse } from '../../../src/backends/etcd3/client/messages.js';
import { Stream } from './duplex.js';
import type { Store, Written } from './store.js';
import { isEmpty } from './range.js';
import type { Range } from './range.js';

/** What a stream asks of its server. */
export interface WatchServer {
  readonly store: Store;
  readonly header: ResponseHeader;
  /** Whether it is a proxy that answers. */
  readonly givesOwnIds: boolean;
  /** Why this range may not be watched, if so. */
  refusalOf(range: Range): string | undefined;
  closed(stream: WatchStream): void;
}

interface Watching {
  readonly range: Range;
  readonly skips: readonly string[];
  /** What has been told; nothing before is told again. */
  next: bigint;
}

export class WatchStream extends Stream<WatchRequest, WatchResponse> {
  readonly #server: WatchServer;
  readonly #watches = new Map<string, Watching>();
  #ids = 0;
  /** Nothing is told, as of a member that is cut off. */
  isSilent = false;

  constructor(server: WatchServer) {
    super();
    this.#server = server;
  }

  /** The ids of those that are watched. */
  get ids(): readonly string[] {
    return [...this.#watches.keys()];
  }

  protected asked({
    create_request: creation,
    cancel_request: cancel,
    progress_request: progress,
  }: WatchRequest): void {
    if (this.isSilent) return;
    if (creation) return this.#create(creation);
    if (progress) return this.#tell({ watch_id: '-1' });
    const id = String(cancel?.watch_id ?? 0);
    if (this.#watches.delete(id)) this.#tell({ watch_id: id, canceled: true });
  }

  protected closed(): void {
    this.#server.closed(this);
  }

  /** Tells what is new. */
  look(): void {
    if (this.isSilent) return;
    for (const [id, watching] of this.#watches) this.#lookAt(id, watching);
  }

  #create(creation: NonNullable<WatchRequest['create_request']>): void {
    const { key = Buffer.of(), range_end, filters = [], watch_id: asked = 0, start_revision: start = 0 } = creation;
    const range = { key: key.length === 0 ? Buffer.of(0) : key, range_end };
    const refused = { created: true, canceled: true, watch_id: '-1' };
    const reason = this.#server.refusalOf(range);
    if (reason !== undefined) return this.#tell({ ...refused, watch_id: String(asked), cancel_reason: reason });
    if (isEmpty(range)) return this.#tell({ ...refused, cancel_reason: 'mvcc: watcher range is empty' });
    const isTaken = this.#watches.has(String(asked));
    const givesOwn = this.#server.givesOwnIds || BigInt(asked) === 0n;
    if (!givesOwn && isTaken) {
      return this.#tell({ ...refused, cancel_reason: 'mvcc: duplicate watch ID provided on the WatchStream' });
    }
    const id = givesOwn ? this.#freeId() : String(asked);
    const { store } = this.#server;
    const next = BigInt(start) > 0n ? BigInt(start) : store.revision + 1n;
    const skips = filters.map((filter) => (filter === 'Noput' ? 'Put' : 'Delete'));
    const watching = { range, skips, next };
    this.#watches.set(id, watching);
    this.#tell({ watch_id: id, created: true });
    if (next < store.compacted) {
      this.#watches.delete(id);
      return this.#tell({ watch_id: id, canceled: true, compact_revision: store.compacted.toString() });
    }
    this.#lookAt(id, watching);
  }

  #freeId(): string {
    let id = this.#ids;
    while (this.#watches.has(String(id))) id += 1;
    this.#ids = id + 1;
    return String(id);
  }

  #lookAt(id: string, watching: Watching): void {
    const { store } = this.#server;
    if (watching.next > store.revision) return;
    const events = store.since(watching.next, watching.range).filter(({ type }) => !watching.skips.includes(type));
    watching.next = store.revision + 1n;
    if (events.length > 0) this.#tell({ watch_id: id, events: events.map(({ type, kv }: Written) => ({ type, kv })) });
  }

  #tell(response: Partial<WatchResponse>): void {
    const { header } = this.#server;
    const nothing = {
      header,
      watch_id: '0',
      created: false,
      canceled: false,
      cancel_reason: '',
      compact_revision: '0',
    };
    this.says({ ...nothing, fragment: false, events: [], ...response });
  }
}
