import assert from 'node:assert/strict';
import { isPromise, rejected, rejectsWith, scenariosOf } from './scenario.js';
import type { GrantedLock, Scenario, Test } from './scenario.js';

const thrown = { name: 'what was thrown' };
const taken = async (by: Test['here'], name: string, options: object = {}): Promise<boolean> => {
  const seen: (GrantedLock | null)[] = [];
  await by.request(name, { ifAvailable: true, ...options }, (lock: GrantedLock | null) => {
    seen.push(lock);
  });
  assert.equal(seen.length, 1, 'the callback is called once');
  return seen[0] === null;
};

/** Whether it is to be had while another holds it in a mode. */
const triesWhileHeld =
  (held: object, tried: object, isTaken: boolean): Scenario['run'] =>
  async ({ here, there, name }) => {
    const res = name();
    await here.request(res, held, async () => {
      assert.equal(await taken(there, res, tried), isTaken);
    });
  };

export const ifAvailable = scenariosOf('ifAvailable', {
  'grants what is free': async ({ here, name }) => {
    assert.equal(await taken(here, name()), false);
  },

  'calls back with null for what is held, and resolves with what the callback returns': async (test) => {
    const { here, there, name } = test;
    const res = name();
    await here.request(res, async () => {
      const result = await there.request(res, { ifAvailable: true }, (lock: unknown) => (lock === null ? 123 : 0));
      assert.equal(result, 123);
    });
  },

  'rejects with what the callback throws that was called with null': async ({ here, there, name }) => {
    const res = name();
    await here.request(res, async () => {
      const tried = there.request(res, { ifAvailable: true }, (lock: unknown) => {
        assert.equal(lock, null);
        return rejected(123);
      });
      await rejectsWith(tried, 123);
    });
  },

  'grants another name while one is held': async ({ here, there, name }) => {
    await here.request(name(), async () => {
      assert.equal(await taken(there, name()), false);
    });
  },

  'grants a shared lock while it is held as shared': triesWhileHeld({ mode: 'shared' }, { mode: 'shared' }, false),
  'does not grant an exclusive lock while it is held as shared': triesWhileHeld({ mode: 'shared' }, {}, true),
  'does not grant a shared lock while it is held as exclusive': triesWhileHeld({}, { mode: 'shared' }, true),

  'rejects with what the callback throws at once': async ({ here, there, name }) => {
    const res = name();
    await here.request(res, async () => {
      const tried = there.request(res, { ifAvailable: true }, (lock: unknown) => {
        assert.equal(lock, null);
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- what is thrown has to come through as it is
        throw thrown;
      });
      isPromise(tried);
      await rejectsWith(tried, thrown);
    });
  },

  'rejects with what the promise of the callback rejects with': async ({ here, there, name }) => {
    const res = name();
    await here.request(res, async () => {
      const tried = there.request(res, { ifAvailable: true }, () => rejected(thrown));
      isPromise(tried);
      await rejectsWith(tried, thrown);
    });
  },

  'grants what has just been released': async ({ here, there, name }) => {
    const [one, two] = [name(), name()];
    await here.request(one, async () => {
      let isCalled = false;
      await there.request(two, () => {
        isCalled = true;
      });
      assert.equal(isCalled, true);
      assert.equal(await taken(here, two), false);
    });
  },
});
