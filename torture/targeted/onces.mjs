/**
 * What one of a fleet does for all: run to its end once, and never marked by one who has lost its claim.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { PENDING, queuedIn, until, within } from './stage.mjs';

const DAY = 24 * 3600_000;
const TICKS = 8;
const FLEET = 4;

/** Whether a transaction writes a marker. */
const marks = ({ success = [] }) => success.some(({ request_put: put }) => put?.key.toString().endsWith('\0done'));

export const ONCES = {
  'once, a marker that comes when another one runs': async (stage) => {
    let letGo;
    let isKept = false;
    const kept = new Promise((resolve) => (letGo = resolve));
    const client = stage.intercepted(async (request, send) => {
      if (!marks(request)) return send();
      isKept = true;
      await kept;
      return send();
    });
    const key = `${stage.root}/a`;
    const first = within(
      20_000,
      stage
        .locks(client)
        .once(key, { keep: DAY })
        .run(() => pause(500, 'first')),
    );
    if (!(await until(async () => (await stage.keysBelow(key)).length > 0))) throw new Error('the first one is not in');
    const [claim] = await stage.keysBelow(key);
    let begun;
    let done;
    const others = stage.locks();
    const queued = queuedIn(others);
    const second = others.once(key, { keep: DAY }).run(() => {
      begun = true;
      return new Promise((resolve) => (done = () => resolve('second')));
    });
    await queued;
    if (!(await until(() => isKept))) throw new Error('the marker was not kept back');
    // Its request ends after half a second: until then all has to have happened.
    await stage.direct.delete().key(claim);
    if (!(await until(() => begun))) throw new Error('the second one did not run');
    letGo();
    await pause(500);
    const marker = await stage.direct.get(`${key}\0done`).string();
    done();
    const value = await within(5000, second);
    await first;
    if (marker !== null) return `marked as done by ${marker}, while another one runs`;
    return value === 'second' ? undefined : `the second one got ${String(value)}`;
  },

  'once, in a fleet whose links are cut': async (stage) => {
    const doors = await Promise.all(Array.from({ length: FLEET }, () => stage.door()));
    const fleet = doors.map(({ url }) => stage.locks(url));
    for (let tick = 0; tick < TICKS; tick += 1) {
      const key = `${stage.root}/${tick}`;
      const ended = [];
      let begun = 0;
      // A marker that is there already when a run begins: it is asked for at once, of the server itself.
      let late;
      const results = Promise.allSettled(
        fleet.map((locks, i) =>
          locks.once(key, { keep: DAY }).run(async (held) => {
            begun += 1;
            const marker = await stage.direct.get(`${key}\0done`).string();
            if (marker !== null && held.isHeld()) late = `tick ${tick} is run again, though it is marked: ${marker}`;
            await pause(100);
            if (!held.isHeld()) throw held.signal.reason;
            const value = `${tick} by ${i}, run ${begun}`;
            ended.push(value);
            return value;
          }),
        ),
      );
      await pause(60);
      const { link } = doors[tick % FLEET];
      link.set({ held: 'all' });
      await pause(tick % 2 === 0 ? 100 : 4000);
      link.set({});
      const settled = await within(15_000, results);
      if (settled === PENDING) return `tick ${tick}: somebody waits for ever`;
      if (late) return late;
      const values = new Set(settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
      const unknown = [...values].find((value) => !ended.includes(value));
      if (unknown !== undefined) return `tick ${tick}: nobody produced ${String(unknown)}`;
      if (values.size > 1) return `tick ${tick}: ${[...values].join(' and ')} were both given`;
      if (values.size === 0) return `tick ${tick}: nobody has done it`;
    }
    return undefined;
  },
};
