/**
 * Parses the option `hosts`, once, at the call.
 */
import { InvalidOptionError } from '../../../api/errors.js';

export interface Host {
  /** A name or an address; IPv6 without brackets. */
  readonly hostname: string;
  readonly port: number;
  readonly isSecure: boolean;
  /** As in a request: `10.0.0.1:2379`, `[::1]:2379`. */
  readonly authority: string;
}

const DEFAULT_PORT = 2379;

const HOST = /^(?:(https?):\/\/)?(\[[0-9a-f:.]+(?:%[\w.-]+)?\]|[\w.-]+)(?::(\d{1,5}))?\/*$/i;

/** @param isSecure whether a host without `http://` or `https://` is reached by TLS */
export function parsedHosts(hosts: unknown, isSecure = false): readonly Host[] {
  const given: readonly unknown[] = Array.isArray(hosts) ? hosts : [hosts];
  const texts = given.flatMap((host) => {
    const one = host instanceof URL ? host.href : host;
    if (typeof one !== 'string') {
      throw new InvalidOptionError('hosts', Array.isArray(hosts) ? 'a list with something else' : hosts, ADVICE);
    }
    // Checked before the text is split or shown: a password may contain commas.
    if (one.includes('@')) {
      const advice = 'give user and password in `auth`, not in the address.';
      throw new InvalidOptionError('hosts', one.replace(/^.*@/s, '…@'), advice);
    }
    return one.split(',').map((text) => text.trim());
  });
  const parsed = texts.filter((text) => text !== '').map((text) => parsedHost(text, isSecure));
  if (parsed.length === 0) throw new InvalidOptionError('hosts', Array.isArray(hosts) ? '[]' : '', ADVICE);
  const unique = new Map(parsed.map((host) => [`${host.isSecure} ${host.authority}`, host]));
  return [...unique.values()];
}

function parsedHost(text: string, isSecure: boolean): Host {
  const [, scheme, hostname = '', port] = HOST.exec(text) ?? [];
  const number = port === undefined ? DEFAULT_PORT : Number(port);
  if (hostname === '' || number < 1 || number > 65535) throw new InvalidOptionError('hosts', text, ADVICE);
  return {
    hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: number,
    isSecure: scheme === undefined ? isSecure : scheme.toLowerCase() === 'https',
    authority: `${hostname}:${number}`,
  };
}

const ADVICE =
  'give the address of an etcd, or several: "http://10.0.0.1:2379", or ["https://a:2379", "https://b:2379"].';
