/**
 * What an etcd host reports about itself over HTTP, without a user: version, health, space, date.
 */
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { monotonic, wallClock } from './instant.js';
import type { Server } from './server.js';

export interface HostFacts {
  readonly host: string;
  readonly version: string;
  /** The time of one request, milliseconds. */
  readonly latency: number;
  /** Why the host is not healthy; `undefined` if it is. */
  readonly illness: string | undefined;
  readonly hasLeader: boolean | undefined;
  /** Bytes; not known if the host does not serve /metrics. */
  readonly used: number | undefined;
  readonly quota: number | undefined;
  /** How far its clock is ahead of ours, milliseconds, accurate to a second. */
  readonly ahead: number | undefined;
}

/** Rejects when the host does not answer. */
export async function factsOf(host: string, server: Server): Promise<HostFacts> {
  const before = monotonic();
  const version = await asked(host, '/version', server);
  const latency = monotonic() - before;
  const health = recordOf((await asked(host, '/health', server)).body);
  const metrics = await asked(host, '/metrics', server);
  const value = (name: string): number | undefined => {
    const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics.body)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const hasLeader = value('etcd_server_has_leader');
  return {
    host,
    version: textOf(recordOf(version.body)['etcdserver']),
    latency,
    illness: health['health'] === 'true' ? undefined : textOf(health['reason']) || 'it does not say why',
    hasLeader: hasLeader === undefined ? undefined : hasLeader === 1,
    used: value('etcd_mvcc_db_total_size_in_bytes'),
    quota: value('etcd_server_quota_backend_bytes'),
    ahead: Number.isNaN(version.date) ? undefined : version.date + 500 - wallClock(),
  };
}

/** Milliseconds. A healthy host answers much sooner. */
const ANSWER_WITHIN = 3000;

interface Answer {
  readonly body: string;
  readonly date: number;
}

function asked(host: string, path: string, { ca, pair }: Server): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const get = host.startsWith('https:') ? getHttps : getHttp;
    // An error status is read, too: its body says what is wrong.
    const request = get(
      new URL(path, host),
      { ...(ca && { ca }), ...pair, agent: false, timeout: ANSWER_WITHIN },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ body, date: Date.parse(response.headers.date ?? '') }));
        response.on('error', reject);
      },
    );
    request.on('timeout', () => request.destroy(new Error(`no answer within ${ANSWER_WITHIN} ms`)));
    request.on('error', reject);
  });
}

function recordOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const read: unknown = JSON.parse(text);
    return typeof read === 'object' && read !== null ? { ...read } : {};
  } catch {
    // Not an answer of etcd: then nothing is known.
    return {};
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
