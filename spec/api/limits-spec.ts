/**
 * Options and keys up to their limits, what is left out, and what a program without types may give.
 */
import { hostname } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { InvalidOptionError } from '../../src/index.js';
import type { ContendOptions, LocksOptions } from '../../src/index.js';
import { checkedKey, checkedPrefix } from '../../src/rules/names.js';
import {
  checkedAcquireOptions,
  checkedClose,
  checkedPing,
  checkedRelease,
  checkedSettings,
} from '../../src/api/options.js';

const untyped = (value: unknown): never => value as never;
const DAY = 86_400_000;

describe('settings', () => {
  it('have defaults', () => {
    expect(checkedSettings({})).toEqual({
      ttl: 10_000,
      owner: `${hostname()}:${String(process.pid)}`,
      renewEvery: undefined,
      renewIn: 'main',
      maxStall: 60_000,
      safetyMargin: undefined,
      prefix: '',
      random: Math.random,
    });
  });

  it('are taken as they are given', () => {
    const options = { ttl: 5, owner: 'me', renewEvery: 2, safetyMargin: 1, prefix: 'a/', random: () => 0 };
    const given = { ...options, renewIn: 'worker', maxStall: 7 } as const;
    expect(checkedSettings(given)).toEqual(given);
  });

  it.each<[string, LocksOptions]>([
    ['a ttl of a day', { ttl: DAY }],
    ['no margin', { safetyMargin: 0 }],
    ['a margin just below the ttl', { ttl: 10, safetyMargin: 9 }],
    ['a renewal just below the ttl', { ttl: 10, renewEvery: 9 }],
    ['an owner of 256 characters', { owner: 'o'.repeat(256) }],
  ])('may be %s', (_, options) => {
    expect(() => checkedSettings(options)).not.toThrow();
  });

  it.each<[string, LocksOptions, string]>([
    [
      'a ttl above a day',
      { ttl: DAY + 1 },
      'more than a day. Renewal is automatic: give how long a lock outlives its process, not how long it is held.',
    ],
    ['a ttl in a text', { ttl: untyped('5') }, 'ttl is "5": give a number of milliseconds greater than 0.'],
    ['a margin of the ttl', { ttl: 10, safetyMargin: 10 }, 'give milliseconds, from 0 to less than ttl (10).'],
    ['a negative margin', { safetyMargin: -1 }, 'from 0 to less than ttl (10000).'],
    ['a renewal at the ttl', { ttl: 10, renewEvery: 10 }, 'give less than ttl (10), else no renewal is in time.'],
    ['a renewal that is never', { renewEvery: Infinity }, 'renewEvery is Infinity: give a number of milliseconds'],
    ['an owner that is no text', { owner: untyped(7) }, 'owner is 7: give a label of 1 to 256 characters that tells'],
    ['an empty owner', { owner: '' }, 'owner is "": give a label of 1 to 256 characters'],
    ['an owner of 257 characters', { owner: 'o'.repeat(257) }, 'give a label of 1 to 256 characters'],
  ])('may not be %s', (_, options, sentence) => {
    expect(() => checkedSettings(options)).toThrow(InvalidOptionError);
    expect(() => checkedSettings(options)).toThrow(sentence);
  });
});

describe('a contention', () => {
  it('waits for ever, and says nothing about itself, unless it is told to', () => {
    expect(checkedAcquireOptions({})).toEqual({
      wait: Infinity,
      signal: undefined,
      atLeast: 0,
      atMost: Infinity,
      meta: undefined,
    });
    const { signal } = new AbortController();
    expect(checkedAcquireOptions({ wait: 0, signal, meta: [1] })).toMatchObject({ wait: 0, meta: [1] });
    expect(checkedAcquireOptions({ signal }).signal?.always).toBe(signal);
  });

  it('may carry 64 KiB of JSON', () => {
    // With its two quotes.
    expect(() => checkedAcquireOptions({ meta: 'x'.repeat(65_534) })).not.toThrow();
    expect(() => checkedAcquireOptions({ meta: 'x'.repeat(65_535) })).toThrow(
      'meta is "…": more than 65536 bytes of JSON. Store large data elsewhere.',
    );
    expect(() => checkedAcquireOptions({ meta: 'ä'.repeat(40_000) })).toThrow('more than 65536 bytes of JSON');
  });

  const circle: unknown[] = [];
  circle.push(circle);
  it.each<[string, ContendOptions, string]>([
    ['a wait in a text', { wait: untyped('5') }, 'wait is "5": give milliseconds, 0 to try once, or Infinity'],
    ['no wait at all', { wait: untyped(null) }, 'wait is null: give milliseconds'],
    ['a function', { meta: untyped(() => 1) }, 'meta is "function": it cannot be written as JSON. Give plain data.'],
    ['a circle', { meta: untyped(circle) }, 'meta is "object": it cannot be written as JSON: TypeError: Converting'],
    ['a bigint', { meta: untyped(1n) }, 'meta is "bigint": it cannot be written as JSON: TypeError: '],
  ])('may not carry %s', (_, options, sentence) => {
    expect(() => checkedAcquireOptions(options)).toThrow(InvalidOptionError);
    expect(() => checkedAcquireOptions(options)).toThrow(sentence);
  });
});

describe('a key', () => {
  it.each([['k'], ['a/b'], ['/'], [' '], ['ä'.repeat(512)], ['🔒'], ['k'.repeat(1024)]])('may be %j', (key) => {
    expect(checkedKey(key)).toBe(key);
    expect(checkedPrefix(key)).toBe(key);
  });

  it.each([
    ['no text', untyped(7), 'key is 7: give a string that names what is to be locked, such as "invoices/17".'],
    ['missing', untyped(undefined), 'key is undefined: give a string'],
    ['empty', '', 'key is "": the key is empty. Give the name of what is to be locked.'],
    ['with a NUL', 'a\0', 'key is "a\\u0000": it contains a NUL character. Leave it out, or encode the key.'],
    ['half a pair', '\udfff', 'it is not well-formed Unicode (half of a surrogate pair). Encode it.'],
    ['too long', 'k'.repeat(1025), 'it is 1025 bytes long, 1024 are allowed. Hash the long part.'],
  ])('may not be %s', (_, key, sentence) => {
    expect(() => checkedKey(key)).toThrow(InvalidOptionError);
    expect(() => checkedKey(key)).toThrow(sentence);
  });

  it('may begin with nothing', () => {
    expect(checkedPrefix('')).toBe('');
  });

  it.each([
    ['no text', untyped(7), 'prefix is 7: give the text that the keys begin with, such as "invoices/".'],
    ['with a NUL', 'a\0', 'prefix is "a\\u0000": it contains a NUL character.'],
  ])('may not begin with %s', (_, prefix, sentence) => {
    expect(() => checkedPrefix(prefix)).toThrow(InvalidOptionError);
    expect(() => checkedPrefix(prefix)).toThrow(sentence);
  });
});

describe('what is refused names the option, shows what was given, and says what to give', () => {
  const YEAR = 366 * DAY;
  it.each<[string, unknown, () => unknown, string]>([
    ['owner', '\ud800', () => checkedSettings({ owner: '\ud800' }), 'well-formed Unicode (half of a surrogate pair)'],
    ['random', 5, () => checkedSettings({ random: untyped(5) }), 'random is 5: give a function such as Math.random.'],
    ['renewIn', 'x', () => checkedSettings({ renewIn: untyped('x') }), "renewIn is \"x\": give 'main' or 'worker'."],
    ['maxStall', 9, () => checkedSettings({ maxStall: 9 }), "maxStall is 9: it is for renewIn: 'worker' only."],
    [
      'maxStall',
      9,
      () => checkedSettings({ ttl: 10, renewIn: 'worker', maxStall: 9 }),
      'maxStall is 9: give at least the ttl (10).',
    ],
    [
      'maxStall',
      0,
      () => checkedSettings({ renewIn: 'worker', maxStall: 0 }),
      'maxStall is 0: give a number of milliseconds greater than 0.',
    ],
    ['signal', 5, () => checkedAcquireOptions({ signal: untyped(5) }), 'signal is 5: '],
    ['waitSignal', 5, () => checkedAcquireOptions({ waitSignal: untyped(5) }), 'waitSignal is 5: '],
    [
      'atLeast',
      -1,
      () => checkedAcquireOptions({ atLeast: -1 }),
      'atLeast is -1: give milliseconds, from 0 to a year.',
    ],
    ['atLeast', YEAR + 1, () => checkedAcquireOptions({ atLeast: YEAR + 1 }), 'give milliseconds, from 0 to a year.'],
    [
      'atMost',
      0,
      () => checkedAcquireOptions({ atMost: 0 }),
      'atMost is 0: give milliseconds greater than 0, or Infinity for no limit.',
    ],
    [
      'atMost',
      '5',
      () => checkedAcquireOptions({ atMost: untyped('5') }),
      'atMost is "5": give milliseconds greater than 0, or Infinity for no limit.',
    ],
    [
      'atLeast',
      6,
      () => checkedAcquireOptions({ atLeast: 6, atMost: 5 }),
      'atLeast is 6: more than atMost (5): the lock cannot be held for that long.',
    ],
    [
      'drain',
      -1,
      () => checkedClose({ drain: -1 }),
      'drain is -1: give milliseconds, 0 or more: how long holders may go on.',
    ],
    ['options', null, () => checkedClose(untyped(null)), 'options is null: give an object, such as { drain: … }.'],
    ['within', 0, () => checkedPing({ within: 0 }), 'within is 0: give a number of milliseconds greater than 0.'],
    ['handOff', 'no', () => checkedRelease({ handOff: 'no' }), 'handOff is "no": give true or false.'],
    ['handOff', null, () => checkedRelease({ handOff: null }), 'handOff is null: give true or false.'],
  ])('%s: %p', (option, value, call, sentence) => {
    expect(call).toThrow(InvalidOptionError);
    expect(call).toThrow(expect.objectContaining({ option, value, message: expect.stringContaining(sentence) }));
  });

  it('may be the limit itself', () => {
    expect(checkedSettings({ ttl: 5000, renewIn: 'worker', maxStall: 5000 })).toMatchObject({ maxStall: 5000 });
    expect(checkedAcquireOptions({ atLeast: YEAR })).toMatchObject({ atLeast: YEAR });
    expect(checkedAcquireOptions({ atLeast: 5, atMost: 5 })).toMatchObject({ atLeast: 5, atMost: 5 });
  });
});

describe('a ttl in seconds', () => {
  it.each([
    [5, '5_000'],
    [0.5, '500'],
    [30, '30_000'],
    [999, '999_000'],
    [999.9999, '1_000_000'],
  ])('is taken for a mistake in real time: %p', (ttl, meant) => {
    expect(() => checkedSettings({ ttl }, false)).toThrow(
      expect.objectContaining({
        option: 'ttl',
        value: ttl,
        message: `ttl is ${String(ttl)} ms. Did you mean ${meant}? Durations are milliseconds, and a ttl is at least 1000.`,
      }),
    );
  });

  it('is what it says in virtual time, and a second is long enough in real time', () => {
    expect(checkedSettings({ ttl: 999 }, true)).toMatchObject({ ttl: 999 });
    expect(checkedSettings({ ttl: 1000 }, false)).toMatchObject({ ttl: 1000 });
  });
});

describe('a release as a callback', () => {
  class OfUser {
    readonly handOff = false;
  }
  it.each<[string, unknown, boolean]>([
    ['nothing', undefined, true],
    ['null', null, true],
    ['a number', 5, true],
    ['an event', new Event('exit'), true],
    ['an instance of a class', new OfUser(), true],
    ['no choice', {}, true],
    ['a choice', { handOff: false }, false],
    ['the other', { handOff: true }, true],
    ['a choice without a prototype', Object.assign(Object.create(null) as object, { handOff: false }), false],
  ])('hands off unless it is told not to: %s', (_, given, handsOff) => {
    expect(checkedRelease(given)).toBe(handsOff);
  });
});
