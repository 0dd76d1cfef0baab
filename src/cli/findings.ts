/**
 * Judges what `check` found: fine, a warning, or a failure; and says what to do about it. Pure.
 */
import { shownDuration } from './durations.js';
import type { HostFacts } from './host.js';
import { shown } from './say.js';

export interface Finding {
  readonly check: 'server' | 'leader' | 'space' | 'hosts' | 'lock' | 'ttl' | 'clock';
  /** `fail`: locks will fail, or fail already. `warn`: a risk. */
  readonly level: 'ok' | 'warn' | 'fail';
  readonly text: string;
  readonly [fact: string]: string | number | undefined;
}

const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const messageOf = (error: unknown): string => shown(error instanceof Error ? error.message : String(error));

export const unreachable = (host: string, error: unknown): Finding => ({
  check: 'server',
  level: 'fail',
  host,
  text: `${host}: ${messageOf(error)}. Is it running, is the address right, does a firewall block it?`,
});

/** Milliseconds. A slower server leaves little time for a second attempt before a lock is lost. */
const SLOW = 250;

export function hostFinding({ host, version, latency, illness }: HostFacts): Finding {
  const base = { check: 'server', host, version, latency } as const;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (version === '') return { ...base, level: 'fail', text: `${host} answers, but not as etcd does.` };
  const about = `${host}: etcd ${shown(version)}, answers in ${ms(latency)}`;
  if (major < 3 || (major === 3 && minor < 4))
    return { ...base, level: 'fail', text: `${about}. Locks need 3.4 or newer.` };
  if (illness !== undefined) return { ...base, level: 'fail', text: `${about}. It is unhealthy: ${shown(illness)}.` };
  return latency > SLOW
    ? { ...base, level: 'warn', text: `${about}: that is slow.` }
    : { ...base, level: 'ok', text: about };
}

export function leaderFinding({ host, hasLeader }: HostFacts): Finding {
  const base = { check: 'leader', host } as const;
  if (hasLeader === undefined)
    return { ...base, level: 'warn', text: `${host}: not known, /metrics is not served here.` };
  if (hasLeader) return { ...base, level: 'ok', text: `${host}: the cluster has a leader` };
  return {
    ...base,
    level: 'fail',
    text: `${host}: no leader, so nothing can be locked or renewed. Look at its peers.`,
  };
}

/** The used share of the quota from which on there may be no time to react. */
const NEARLY_FULL = 0.8;
const MB = 1024 * 1024;

export function spaceFinding({ host, used, quota, illness = '' }: HostFacts): Finding {
  const base = { check: 'space', host, used, quota } as const;
  const cure = 'Compact, defragment, then `etcdctl alarm disarm`.';
  if (illness.includes('NOSPACE')) {
    return { ...base, level: 'fail', text: `${host}: full: no new lock is granted, held ones go on. ${cure}` };
  }
  if (used === undefined || !quota)
    return { ...base, level: 'warn', text: `${host}: not known, /metrics is not served here.` };
  const share = used / quota;
  const about = `${host}: ${(used / MB).toFixed(1)} MB of ${Math.round(quota / MB)} MB (${Math.round(share * 100)} %)`;
  return share > NEARLY_FULL
    ? { ...base, level: 'fail', text: `${about}: when it is full, no lock is granted. ${cure}` }
    : { ...base, level: 'ok', text: about };
}

export const hostsFinding = (hosts: readonly string[]): Finding =>
  hosts.length > 1
    ? { check: 'hosts', level: 'ok', text: `${hosts.length} hosts: another one is asked if one does not answer` }
    : { check: 'hosts', level: 'warn', text: 'one host: while it is down, locks are lost. Give several in --hosts.' };

export function lockFinding(key: string, result: unknown, ttl: number): Finding {
  const base = { check: 'lock', key } as const;
  if (!Array.isArray(result)) return { ...base, level: 'fail', text: `${shown(key)}: ${messageOf(result)}` };
  const took = result.map(Number).sort((a, b) => a - b);
  const median = took[took.length >> 1] ?? 0;
  const about = `${shown(key)}: acquired and released in ${ms(median)} (median of ${took.length})`;
  // An attempt to renew may take a sixth of the ttl.
  return median > ttl / 6
    ? {
        ...base,
        level: 'fail',
        median,
        text: `${about}: too slow for a ttl of ${shownDuration(ttl)}. Give a longer --ttl.`,
      }
    : { ...base, level: 'ok', median, text: about };
}

export function ttlFinding(smallest: unknown, ttl: number): Finding {
  if (typeof smallest !== 'number') return { check: 'ttl', level: 'warn', text: `not known: ${messageOf(smallest)}` };
  const about = `the server grants ${shownDuration(smallest)} or more`;
  return ttl < smallest
    ? { check: 'ttl', level: 'warn', smallest, text: `${about}, so --ttl ${shownDuration(ttl)} is not what you get` }
    : { check: 'ttl', level: 'ok', smallest, text: `${about}; asked for: ${shownDuration(ttl)}` };
}

/** Milliseconds. Rounding and a busy machine stay below this. */
const JUMP = 50;
/** Milliseconds. The `Date` of an answer is in whole seconds. */
const APART = 2000;

export function clockFinding(
  { ahead, back }: { readonly ahead: number; readonly back: number },
  serverAhead: number | undefined,
  ttl: number,
): Finding {
  const base = { check: 'clock', ahead, back } as const;
  const cure = 'Have the time service slew the clock instead of setting it (chrony: makestep at boot only).';
  // At a renewal, about this much is left until the deadline of a lock.
  if (ahead > ttl / 2) {
    return {
      ...base,
      level: 'fail',
      text: `the clock jumped ahead by ${shownDuration(ahead)}: that loses locks. ${cure}`,
    };
  }
  if (ahead > JUMP || back > JUMP) {
    const [how, by] = ahead > back ? ['ahead', ahead] : ['back', back];
    return { ...base, level: 'warn', text: `the clock jumped ${how} by ${shownDuration(by)}. ${cure}` };
  }
  if (serverAhead !== undefined && Math.abs(serverAhead) > APART) {
    const apart = shownDuration(Math.abs(serverAhead));
    return {
      ...base,
      level: 'warn',
      text: `${apart} apart from the server's: locks are not affected, but times in listings are wrong.`,
    };
  }
  return { ...base, level: 'ok', text: 'runs evenly, as that of the server' };
}
