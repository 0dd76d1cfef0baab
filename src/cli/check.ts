/**
 * `rxlock check`: what would fail.
 */
import { firstValueFrom, timer } from 'rxjs';
import type { Given } from './arguments.js';
import { watchClock } from './clock-watch.js';
import { EXIT } from './exit.js';
import {
  clockFinding,
  hostFinding,
  hostsFinding,
  leaderFinding,
  lockFinding,
  spaceFinding,
  ttlFinding,
  unreachable,
} from './findings.js';
import type { Finding } from './findings.js';
import { factsOf } from './host.js';
import { monotonic } from './instant.js';
import { orSignal } from './or-signal.js';
import type { Voice } from './say.js';
import { connected, serverOf } from './server.js';
import type { Server } from './server.js';
import type { Signals } from './signals.js';

/** How long the clock is watched at least, milliseconds. */
const LOOK_FOR = 1000;

/** How many times the lock is acquired and released. */
const CYCLES = 5;

/** Milliseconds. The server may grant a longer ttl. */
const SHORTEST_TTL = 1000;

export async function check({ operands: [key], flags }: Given, signals: Signals, voice: Voice): Promise<number> {
  const server = serverOf(flags);
  const name = server.prefix + (key ?? `rxlock/check/${server.owner}`);
  const print = async (finding: Finding): Promise<Finding> => {
    await voice.line(voice.isForPeople ? lineOf(finding, voice) : JSON.stringify(finding));
    return finding;
  };
  const all = async (): Promise<number> => {
    const clock = watchClock();
    const looked = firstValueFrom(timer(LOOK_FOR));
    const findings: Finding[] = [];
    const found = async (finding: Finding): Promise<void> => void findings.push(await print(finding));
    let ahead: number | undefined;
    for (const host of server.hosts) {
      try {
        const facts = await factsOf(host, server);
        ahead ??= facts.ahead;
        for (const finding of [hostFinding(facts), leaderFinding(facts), spaceFinding(facts)]) await found(finding);
      } catch (error) {
        await found(unreachable(host, error));
      }
    }
    await found(hostsFinding(server.hosts));
    await found(await tried(name, server));
    await found(await shortest(name, server));
    await looked;
    await found(clockFinding(clock.stop(), ahead, server.ttl));
    return findings.some(({ level }) => level === 'fail') ? EXIT.found : EXIT.done;
  };
  return orSignal(signals, all());
}

/** Checks whether the role may lock, and how long a lock takes. */
async function tried(name: string, server: Server): Promise<Finding> {
  const { locks } = connected(server);
  const took: number[] = [];
  try {
    const lock = locks.mutex(name);
    for (let i = 0; i < CYCLES; i++) {
      const before = monotonic();
      const held = await lock.acquire({ wait: 0 });
      await held.release();
      took.push(monotonic() - before);
    }
    return lockFinding(name, took, server.ttl);
  } catch (error) {
    return lockFinding(name, error, server.ttl);
  } finally {
    await locks.close();
  }
}

/** Asks for the shortest ttl, and reports what the server grants. */
async function shortest(name: string, server: Server): Promise<Finding> {
  const { locks } = connected(server, { ttl: SHORTEST_TTL, safetyMargin: 0 });
  try {
    const held = await locks.mutex(name).acquire({ wait: 0 });
    return ttlFinding(Math.ceil(held.remaining() / 1000) * 1000, server.ttl);
  } catch (error) {
    return ttlFinding(error, server.ttl);
  } finally {
    await locks.close();
  }
}

const COLOUR = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

const lineOf = ({ check, level, text }: Finding, voice: Voice): string =>
  `${voice.paint(COLOUR[level], level.padEnd(4))}  ${check.padEnd(7)} ${text}`;
