import { describe, expect, it } from '@jest/globals';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { nodeEtcdBackend } from '../../src/backends/node-etcd/index.js';
import { InvalidOptionError, createLocks } from '../../src/index.js';
import type { ContendOptions, LocksOptions } from '../../src/index.js';

const lock = (key: string) => createLocks(memoryBackend()).mutex(key);

describe('bad input is refused at the call, with a sentence that says what to do', () => {
  it.each<[string, LocksOptions, string]>([
    ['a ttl that is no number', { ttl: NaN }, 'ttl is NaN: give a number of milliseconds greater than 0.'],
    ['a negative ttl', { ttl: -1 }, 'ttl is -1: give a number of milliseconds greater than 0.'],
    ['no ttl at all', { ttl: 0 }, 'ttl is 0: give a number of milliseconds greater than 0.'],
    ['an endless ttl', { ttl: Infinity }, 'ttl is Infinity: give a number'],
    ['a ttl of more than a day', { ttl: 86_400_001 }, 'ttl is 86400001: more than a day.'],
    [
      'a margin that leaves nothing',
      { ttl: 1000, safetyMargin: 1000 },
      'safetyMargin is 1000: give milliseconds, from 0',
    ],
    ['a negative margin', { safetyMargin: -1 }, 'safetyMargin is -1'],
    ['a renewal after the end', { ttl: 1000, renewEvery: 1000 }, 'renewEvery is 1000: give less than ttl (1000)'],
    ['no time between renewals', { renewEvery: 0 }, 'renewEvery is 0'],
    ['an owner without a name', { owner: '' }, 'owner is "": give a label'],
  ])('%s', (_, options, sentence) => {
    const call = (): unknown => createLocks(memoryBackend(), options);
    expect(call).toThrow(InvalidOptionError);
    expect(call).toThrow(sentence);
  });

  it.each<[string, string, string]>([
    ['an empty key', '', 'key is "": the key is empty.'],
    ['a key with a NUL', 'a\0b', 'it contains a NUL character.'],
    ['half of a surrogate pair', 'a\ud800', 'it is not well-formed Unicode'],
    ['a key of more than a KiB', 'ä'.repeat(513), 'it is 1026 bytes long, 1024 are allowed.'],
  ])('%s', (_, key, sentence) => {
    expect(() => lock(key)).toThrow(InvalidOptionError);
    expect(() => lock(key)).toThrow(sentence);
  });

  it.each([['/a/'], ['a//b'], ['a/../b'], ['.'], ['a/']])('on etcd v2 also the path %s', (key) => {
    const client = { get: fail, set: fail, compareAndDelete: fail };
    expect(() => createLocks(nodeEtcdBackend(client)).mutex(key)).toThrow('etcd v2 keeps keys as paths');
    expect(() => lock(key)).not.toThrow();
  });

  it.each<[string, ContendOptions, string]>([
    ['a negative wait', { wait: -1 }, 'wait is -1: give milliseconds, 0 to try once, or Infinity'],
    ['a wait that is no number', { wait: NaN }, 'wait is NaN'],
    ['meta that is too large', { meta: 'x'.repeat(70_000) }, 'more than 65536 bytes of JSON'],
  ])('%s', async (_, options, sentence) => {
    expect(() => lock('k').lock$(options)).toThrow(InvalidOptionError);
    expect(() => lock('k').lock$(options)).toThrow(sentence);
    await expect(lock('k').acquire(options)).rejects.toThrow(sentence);
  });
});

const fail = (): never => {
  throw new Error('nothing may be sent');
};
