/**
 * How to reach etcd: from the flags, else from the environment variables of etcdctl.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { etcd3Backend } from '../backends/etcd3/index.js';
import type { Etcd3Backend } from '../backends/etcd3/index.js';
import { createLocks } from '../index.js';
import type { Locks } from '../index.js';
import type { Flags } from './arguments.js';
import { UsageError } from './exit.js';

/** The settings from the flags and the environment. */
export interface Server {
  readonly hosts: readonly string[];
  readonly ca: Buffer | undefined;
  readonly pair: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly user: { readonly username: string; readonly password: string } | undefined;
  readonly prefix: string;
  readonly owner: string;
  readonly ttl: number;
}

export const DEFAULT_TTL = 10_000;

/** @throws UsageError */
export function serverOf(flags: Flags, env: NodeJS.ProcessEnv = process.env): Server {
  const said = (flag: string, variable: string): string | undefined => flags.text(flag) ?? (env[variable] || undefined);
  const ca = fileOf('cacert', said('cacert', 'ETCDCTL_CACERT'));
  const cert = fileOf('cert', said('cert', 'ETCDCTL_CERT'));
  const key = fileOf('key', said('key', 'ETCDCTL_KEY'));
  if (!cert !== !key) throw new UsageError('--cert and --key go together: give both, or neither.');
  const user = userOf(said('user', 'ETCDCTL_USER'), env['ETCDCTL_PASSWORD']);
  const hosts = hostsOf(said('hosts', 'ETCDCTL_ENDPOINTS') ?? '127.0.0.1:2379', ca || cert ? 'https' : 'http');
  if (user && new Set(hosts.map((host) => new URL(host).protocol)).size > 1) {
    throw new UsageError('--hosts mixes http and https: the password would be sent unencrypted.');
  }
  return {
    hosts,
    ca,
    pair: cert && key && { cert, key },
    user,
    prefix: flags.text('prefix') ?? '',
    owner: flags.text('owner') ?? `${hostname()}:${process.pid}`,
    ttl: flags.duration('ttl') ?? DEFAULT_TTL,
  };
}

function fileOf(flag: string, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new UsageError(`--${flag} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

/** As in etcdctl: `name:password`, or only the name, with the password in another variable. */
function userOf(user: string | undefined, password: string | undefined): Server['user'] {
  if (user === undefined) return undefined;
  const colon = user.indexOf(':');
  if (colon >= 0) return { username: user.slice(0, colon), password: user.slice(colon + 1) };
  if (password) return { username: user, password };
  throw new UsageError('--user has no password: give NAME:PASSWORD in $ETCDCTL_USER, or $ETCDCTL_PASSWORD.');
}

function hostsOf(text: string, scheme: string): readonly string[] {
  const parts = text.split(',').map((part) => part.trim());
  const hosts = parts.filter((part) => part !== '');
  if (hosts.length === 0) throw new UsageError('--hosts is empty: give URLs such as http://10.0.0.1:2379.');
  return hosts.map((host) => {
    const url = /^[a-z]+:\/\//i.test(host) ? host : `${scheme}://${host}`;
    const { protocol, pathname, username } = parsed(url, host);
    if (!/^https?:$/.test(protocol))
      throw new UsageError(`--hosts: ${JSON.stringify(host)} is neither http nor https.`);
    if (username !== '') throw new UsageError('--hosts has a user name in it: give it with --user or $ETCDCTL_USER.');
    if (pathname !== '/')
      throw new UsageError(`--hosts: ${JSON.stringify(host)} has a path. Give scheme, host and port.`);
    return url.replace(/\/$/, '');
  });
}

function parsed(url: string, host: string): URL {
  try {
    return new URL(url);
  } catch {
    throw new UsageError(`--hosts: ${JSON.stringify(host)} is no URL. Give one such as http://10.0.0.1:2379.`);
  }
}

export interface Connection {
  readonly backend: Etcd3Backend;
  readonly locks: Locks;
}

/** Makes the locks. Nothing is sent before a lock is contended for. */
export function connected(
  server: Server,
  options: { readonly ttl?: number; readonly safetyMargin?: number } = {},
): Connection {
  const { hosts, ca, pair, user, owner, ttl } = server;
  const credentials = ca
    ? { rootCertificate: ca, ...(pair && { privateKey: pair.key, certChain: pair.cert }) }
    : undefined;
  if (pair && !ca) throw new UsageError('--cert needs --cacert, the authority of the server.');
  const backend = etcd3Backend({ hosts: [...hosts], ...(credentials && { credentials }), ...(user && { auth: user }) });
  return { backend, locks: createLocks(backend, { owner, ttl, ...options }) };
}
