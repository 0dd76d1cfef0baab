/**
 * One scenario in a process of its own: the heap and the compiled code of one are not to colour another.
 */
import { createRequire } from 'node:module';

const { startEtcd } = createRequire(import.meta.url)('../scripts/etcd.cjs');

const [name, quick] = process.argv.slice(2);
// Each server that is started ends with this process.
process.setMaxListeners(0);
const scenario = await import(`./scenarios/${name}.mjs`);

const progress = (total) => {
  let done = 0;
  process.send({ total, done });
  return () => {
    done += 1;
    process.send({ total, done });
  };
};

const outcome = async () => {
  const etcd = scenario.server === false ? undefined : await startEtcd();
  try {
    return { result: await scenario.run({ url: etcd?.url, quick: quick === 'quick', progress }) };
  } catch (error) {
    return { error: String(error?.stack ?? error) };
  } finally {
    await etcd?.stop();
  }
};

// Without an exit it would go on for as long as npm etcd3 has timers of its own.
process.send(await outcome(), () => process.exit());
