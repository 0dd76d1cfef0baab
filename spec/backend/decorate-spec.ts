/**
 * Whatever is put around a backend is put around all of it. That a verb which is new in the port does not compile until
 * `decorate` knows it, the types see to; here is what they cannot say.
 */
import { describe, expect, it } from '@jest/globals';
import { EMPTY, NEVER, isObservable } from 'rxjs';
import type { Observable } from 'rxjs';
import { decorate } from '../../src/backend/decorate.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import type { LockBackend } from '../../src/index.js';
import { behindNetwork } from '../../src/testing/index.js';

/** No question to the server, so nothing to be put around. */
const LOCAL = ['objection', 'close'];

type AnyVerb = (...args: unknown[]) => unknown;
const isVerb = (value: unknown): value is AnyVerb => typeof value === 'function';

/** The verbs that there are at run time, by their paths. */
const verbsOf = (backend: LockBackend): ReadonlyMap<string, AnyVerb> => {
  const found = new Map<string, AnyVerb>();
  for (const [name, value] of Object.entries(backend)) {
    const isGroup = (part: unknown): part is Readonly<Record<string, unknown>> =>
      typeof part === 'object' && part !== null && !Array.isArray(part);
    const group: [string, unknown][] = isGroup(value)
      ? Object.entries(value).map(([inner, verb]) => [`${name}.${inner}`, verb])
      : [[name, value]];
    for (const [path, verb] of group) if (isVerb(verb) && !LOCAL.includes(path)) found.set(path, verb);
  }
  return found;
};

describe('decorate', () => {
  it('gives each verb of the backend to the wrapper, by its name and as what it is', () => {
    const calls: string[] = [];
    const whole = memoryBackend();
    const decorated = decorate(whole, (source$, { verb, isStream, args }) => {
      calls.push(`${verb} ${String(isStream)} ${JSON.stringify(args)}`);
      return source$;
    });
    const names = [...verbsOf(whole).keys()].sort();
    expect(names.length).toBeGreaterThan(10);
    expect([...verbsOf(decorated).keys()].sort()).toEqual(names);
    for (const verb of verbsOf(decorated).values()) verb('first', 'second');
    const streams = ['queue', 'queues', 'markers.follow'];
    const expected = names.map((name) => `${name} ${String(streams.includes(name))} ["first","second"]`);
    expect(calls.sort()).toEqual(expected);
  });

  it('answers what the wrapper answers, for each verb', () => {
    const decorated = decorate(memoryBackend(), () => NEVER);
    for (const verb of verbsOf(decorated).values()) expect(verb()).toBe(NEVER);
  });

  it('leaves away what the backend does not have', () => {
    const { queues, proclaim, others, markers, ...bare } = memoryBackend();
    expect([queues, proclaim, others, markers].every((one) => one !== undefined)).toBe(true);
    expect(Object.keys(decorate(bare, (source$) => source$)).sort()).toEqual(Object.keys(bare).sort());
  });

  it('takes a backend of a class, too', () => {
    class OfAClass {
      readonly name = 'of a class';
      readonly #lists: Observable<never> = EMPTY;
      queues(): Observable<never> {
        return this.#lists;
      }
    }
    const { queues } = decorate(
      Object.assign(new OfAClass(), memoryBackend(), { queues: OfAClass.prototype.queues }),
      (source$) => source$,
    );
    expect(queues?.('', 0)).toBe(EMPTY);
  });
});

describe('behindNetwork', () => {
  it('lets no verb around the network', () => {
    const { backend, network } = behindNetwork(memoryBackend());
    const answers: unknown[] = [];
    const send = (verb: AnyVerb): void => {
      const answer = verb({ id: 'a', claims: [] }, {}, 0);
      if (isObservable(answer)) answer.subscribe(() => answers.push(verb));
    };
    send(() => backend.probe?.(0));
    expect(answers).toHaveLength(1);
    network.partition();
    for (const verb of verbsOf(backend).values()) send(verb);
    expect(answers).toHaveLength(1);
  });
});
