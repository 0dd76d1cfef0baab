/**
 * A process with waiters in it: does what it is asked over IPC. The clock is one that all processes of a machine share.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { PEERS, VARIANTS } from './contenders/peers.mjs';
import { answerWith } from './verbs.mjs';

const WARM_UP = 150;

const [name, url] = process.argv.slice(2);
const open = () => ({ ...PEERS, ...VARIANTS })[name].open(url);
const peer = await open();

const now = () => Number(process.hrtime.bigint()) / 1e6;

let giveBack;
let turns = [];
/** Of those who gave it back in vain: it was not theirs any more. */
let losers = 0;

const given = (give) =>
  give().catch(() => {
    losers += 1;
  });

const verbs = {
  /** Holds the key until `open`. */
  async hold({ key }) {
    giveBack = await peer.take(key);
  },
  async open() {
    const at = now();
    await given(giveBack);
    return at;
  },
  /**
   * So many come for the key, one after another; each gives it back as soon as it has it. With `own` each is a client
   * by itself.
   */
  async queue({ key, waiters, gap, after, own = false }) {
    const clients = await Promise.all(Array.from({ length: waiters }, () => (own ? open() : peer)));
    turns = clients.map(async (client, i) => {
      await pause(after + i * gap);
      const cameAt = now();
      const give = await client.take(key);
      const heldAt = now();
      await given(give);
      return { cameAt, heldAt };
    });
    for (const turn of turns) turn.catch(() => undefined);
  },
  /** Who had its turn, how many had lost it by then, and who failed, once all have or the time is over. */
  async turns({ within }) {
    const done = [];
    const failures = [];
    for (const turn of turns) {
      void turn.then(
        (one) => done.push(one),
        (error) => failures.push(String(error.message)),
      );
    }
    let timer;
    const over = new Promise((resolve) => {
      timer = setTimeout(resolve, within);
    });
    await Promise.race([Promise.allSettled(turns), over]);
    clearTimeout(timer);
    return { done, losers, failures };
  },
};

/** As a service that has run for a while: connected, its code compiled, its lease granted. */
for (let i = 0; i < WARM_UP; i += 1) await (await peer.take(`warm/${process.pid}/${i}`))();

answerWith(verbs);
