/**
 * The options for reaching etcd, checked once.
 */
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { InvalidOptionError } from '../../../api/errors.js';
import { parsedHosts } from './hosts.js';
import type { Host } from './hosts.js';

/** How to reach etcd. The names are those of npm etcd3. */
export interface Etcd3Options {
  /**
   * `host:port`, with or without `http://` or `https://`; one or several, as a list or separated by commas. The default
   * scheme is `http`, or `https` if there are `credentials`; the default port is 2379. One host is used at a time; if
   * it does not answer, the next one is used.
   */
  readonly hosts: string | readonly string[];
  /** For `https`, in PEM. Without a root certificate, those that Node trusts are used. */
  readonly credentials?: Etcd3Credentials | undefined;
  /** A user of etcd. Tokens (simple or JWT) are requested and renewed automatically. */
  readonly auth?: { readonly username: string; readonly password: string } | undefined;
  /** How long a connection to a host may take before the next host is tried, milliseconds; 2000 by default. */
  readonly dialTimeout?: number | undefined;
}

/** Certificates, in PEM. */
export interface Etcd3Credentials {
  /** The certificate of the authority that signed the certificate of the server. */
  readonly rootCertificate?: Buffer | string | undefined;
  /** The key of the client; give it together with `certChain`. */
  readonly privateKey?: Buffer | string | undefined;
  readonly certChain?: Buffer | string | undefined;
  /** The name in the certificate of the server, if it differs from the host. */
  readonly serverName?: string | undefined;
}

/** The options without gaps. */
export interface Reach {
  readonly hosts: readonly Host[];
  readonly secureContext: SecureContext | undefined;
  readonly serverName: string | undefined;
  readonly auth: { readonly username: string; readonly password: string } | undefined;
  readonly dialTimeout: number;
}

/** Milliseconds: long enough for a slow network, short enough to try other hosts within the default ttl. */
const DIAL_TIMEOUT = 2000;

const NAMES = ['hosts', 'credentials', 'auth', 'dialTimeout'];

/** Checks and completes the options, or throws an {@link InvalidOptionError}. */
export function checkedOptions(options: Etcd3Options): Reach {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || NAMES.includes(name)) continue;
    const advice = `Known options: ${NAMES.join(', ')}. For other options of npm etcd3, give a client that you made with them.`;
    const meant = name === 'endpoints' ? ' Did you mean `hosts`?' : '';
    // Its value may be a secret.
    throw new InvalidOptionError(name, 'given', advice, `etcd3Backend() has no option \`${name}\`.${meant} ${advice}`);
  }
  const { credentials, auth, dialTimeout = DIAL_TIMEOUT } = options;
  const hosts = parsedHosts(options.hosts, credentials !== undefined);
  checkSecurity(hosts, options);
  if (auth) checkAuth(auth);
  if (typeof dialTimeout !== 'number' || !(dialTimeout > 0)) {
    throw new InvalidOptionError('dialTimeout', dialTimeout, 'give milliseconds, more than 0.');
  }
  const secureContext = hosts.some(({ isSecure }) => isSecure) ? contextOf(credentials ?? {}) : undefined;
  return { hosts, secureContext, serverName: credentials?.serverName, auth, dialTimeout };
}

function checkSecurity(hosts: readonly Host[], { auth, credentials }: Etcd3Options): void {
  const plain = hosts.filter(({ isSecure }) => !isSecure);
  if (plain.length === 0) return;
  const shown = plain.map(({ authority }) => `http://${authority}`).join(', ');
  if (credentials) {
    throw new InvalidOptionError('hosts', shown, 'with `credentials` it must be https://, else they are not used.');
  }
  if (auth && plain.length < hosts.length) {
    const advice =
      'with other hosts on https://, this one would get the password unencrypted. Give all hosts as https://.';
    throw new InvalidOptionError('hosts', shown, advice);
  }
}

function checkAuth(auth: { readonly username: unknown; readonly password: unknown }): void {
  const { username, password } = auth;
  if (typeof username !== 'string' || username === '') {
    throw new InvalidOptionError('auth.username', username, 'give the name of a user of etcd.');
  }
  if (typeof password !== 'string') {
    throw new InvalidOptionError('auth.password', typeof password, 'give the password as a text.');
  }
}

function contextOf({ rootCertificate, privateKey, certChain }: Etcd3Credentials): SecureContext {
  if ((privateKey === undefined) !== (certChain === undefined)) {
    throw new InvalidOptionError('credentials', 'incomplete', '`privateKey` and `certChain` go together.');
  }
  try {
    return createSecureContext({ ca: rootCertificate, key: privateKey, cert: certChain });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidOptionError('credentials', 'unreadable', `give certificates and key in PEM (${why}).`);
  }
}
