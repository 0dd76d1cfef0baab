import assert from 'node:assert/strict';
import { of, scenariosOf } from './scenario.js';
import type { Info, Manager, Scenario, Test } from './scenario.js';

const modes = (infos: readonly Info[]): readonly string[] => infos.map(({ mode }) => mode);
const clients = (infos: readonly Info[]): readonly string[] => infos.map(({ clientId }) => clientId);

/** Has requests in these modes made by one manager, waiting behind an exclusive lock of another. */
async function behindExclusive(test: Test, waiting: readonly string[], seen: (res: string) => Promise<void>) {
  const { here, there, name, hold } = test;
  const res = name();
  let granted = 0;
  await here.request(res, async () => {
    const waiters = waiting.map((mode) => {
      const waiter = hold(there, res, { mode });
      void waiter.granted.then(() => (granted += 1));
      return waiter;
    });
    await there.request(res, { ifAvailable: true }, (lock: unknown) => assert.equal(lock, null));
    assert.equal(granted, 0);
    await there.query();
    await seen(res);
    for (const waiter of waiters) waiter.release();
  });
}

const queryEmpty = scenariosOf('query-empty', {
  'shows empty lists where nothing is requested': async ({ here }) => {
    const state = await here.query();
    assert.deepEqual(Object.keys(state).sort(), ['held', 'pending']);
    for (const list of [state.held, state.pending]) {
      assert.ok(Array.isArray(list));
      assert.equal(list.length, 0);
    }
  },
});

const queryItself = scenariosOf('query', {
  'says name, mode and client': async (test) => {
    await behindExclusive(test, ['exclusive'], async () => {
      const { held, pending } = await test.here.query();
      for (const [info] of [held, pending]) {
        assert.ok(info);
        assert.deepEqual(Object.keys(info).sort(), ['clientId', 'mode', 'name']);
      }
    });
  },

  'shows each lock that is held': async ({ here, name }) => {
    const res = name();
    for (const mode of ['exclusive', 'shared']) {
      await here.request(res, { mode }, async () => {
        assert.deepEqual(modes(of(res)((await here.query()).held)), [mode]);
      });
    }
  },

  'shows several locks': async ({ here, there, name }) => {
    const [one, two] = [name(), name()];
    await here.request(one, () =>
      there.request(two, { mode: 'shared' }, async () => {
        const { held } = await here.query();
        assert.deepEqual(modes(of(one)(held)), ['exclusive']);
        assert.deepEqual(modes(of(two)(held)), ['shared']);
      }),
    );
  },

  'shows who holds and who waits': async (test) => {
    await behindExclusive(test, ['exclusive'], async (res) => {
      const { held, pending } = await test.here.query();
      assert.deepEqual([modes(of(res)(held)), modes(of(res)(pending))], [['exclusive'], ['exclusive']]);
    });
  },

  'shows each holder of a shared lock': async ({ here, there, name }) => {
    const res = name();
    await here.request(res, { mode: 'shared' }, () =>
      there.request(res, { mode: 'shared' }, async () => {
        assert.deepEqual(modes(of(res)((await here.query()).held)), ['shared', 'shared']);
      }),
    );
  },

  'shows each request for a shared lock': async (test) => {
    await behindExclusive(test, ['shared', 'shared'], async (res) => {
      const { held, pending } = await test.here.query();
      assert.deepEqual([modes(of(res)(held)), modes(of(res)(pending))], [['exclusive'], ['shared', 'shared']]);
    });
  },

  'says the same client for locks of the same one': async ({ here, name }) => {
    const [one, two] = [name(), name()];
    await here.request(one, () =>
      here.request(two, async () => {
        const { held } = await here.query();
        assert.equal(clients(of(one)(held)).length, 1);
        assert.deepEqual(clients(of(one)(held)), clients(of(two)(held)));
      }),
    );
  },

  'says different clients for locks of different ones': async ({ here, client, name, hold }) => {
    const res = name();
    const other = hold(await client(), res, { mode: 'shared' });
    await other.granted;
    await here.request(res, { mode: 'shared' }, async () => {
      const ids = clients(of(res)((await here.query()).held));
      assert.deepEqual([ids.length, new Set(ids).size], [2, 2]);
    });
    other.release();
  },

  'shows a deadlock': async ({ here, client, name, hold }) => {
    const [one, two] = [name(), name()];
    const other = await client();
    const requests = [hold(other, one), hold(here, two)];
    await Promise.all(requests.map(({ granted }) => granted));
    requests.push(hold(other, two), hold(here, one));
    await other.query();
    const { held, pending } = await here.query();
    const [heldOne, heldTwo] = [clients(of(one)(held)), clients(of(two)(held))];
    assert.deepEqual([heldOne.length, heldTwo.length], [1, 1]);
    assert.deepEqual(clients(of(two)(pending)), heldOne);
    assert.deepEqual(clients(of(one)(pending)), heldTwo);
    for (const request of requests) request.release();
  },
});

const clientOf = async (manager: Manager, name: string): Promise<string | undefined> => {
  let id: string | undefined;
  await manager.request(name, async () => {
    [id] = clients(of(name)((await manager.query()).held));
  });
  return id;
};

const inOrderMade: Scenario['run'] = async ({ here, client, name, hold }) => {
  const res = name();
  const managers = [await client(), await client(), await client()] as const;
  const ids: (string | undefined)[] = [];
  for (const manager of managers) ids.push(await clientOf(manager, res));
  const pending = async (): Promise<readonly (number | undefined)[]> =>
    clients(of(res)((await here.query()).pending)).map((id) => ids.indexOf(id));
  const requested = async (by: readonly number[]) => {
    const requests = [];
    for (const i of by) {
      const manager = managers[i];
      assert.ok(manager);
      requests.push(hold(manager, res));
      await manager.query();
    }
    return requests;
  };

  const first = hold(here, res);
  await first.granted;
  const [one, two] = await requested([0, 1, 2]);
  assert.deepEqual(await pending(), [0, 1, 2]);
  await requested([2, 0, 1]);
  for (const holder of [first, one, two]) {
    holder?.release();
    await holder?.done;
  }
  assert.deepEqual(await pending(), [2, 0, 1]);
};

const queryOrdering = scenariosOf('query-ordering', {
  'shows requests in the order in which they were made': inOrderMade,
});

const clientIds = scenariosOf('clientids', {
  'says the id by which the client is known elsewhere': async ({ here, name }) => {
    const id: unknown = Reflect.get(here, 'clientId') ?? `node-${String(process.pid)}-0`;
    assert.equal(await clientOf(here, name()), id);
  },
});

export const query = [...queryEmpty, ...queryItself, ...queryOrdering, ...clientIds];
