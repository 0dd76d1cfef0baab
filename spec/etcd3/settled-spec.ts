import { describe, expect, it, jest } from '@jest/globals';
import { Subject } from 'rxjs';
import type { HeldLock } from '../../src/index.js';
import { settlesWith } from '../../src/backend/settled.js';

/** The module once more, as where one is imported and another required. */
function anotherCopy(): typeof import('../../src/backend/settled.js') {
  let copy: typeof import('../../src/backend/settled.js') | undefined;
  jest.isolateModules(() => {
    copy = jest.requireActual('../../src/backend/settled');
  });
  if (!copy) throw new Error('no other copy');
  return copy;
}

describe('what a lock waits for before it writes guarded', () => {
  it('is known to every copy of the package', () => {
    const held = {} as HeldLock;
    const settled$ = new Subject<unknown>();
    settlesWith(held, settled$);
    const { settled, settlesWith: another } = anotherCopy();
    expect(another).not.toBe(settlesWith);
    let isOver = false;
    settled(held).subscribe({ complete: () => (isOver = true) });
    expect(isOver).toBe(false);
    settled$.complete();
    expect(isOver).toBe(true);
    expect(Object.keys(held)).toEqual([]);
  });

  it('is nothing where nobody handed it off', () => {
    let isOver = false;
    anotherCopy()
      .settled({} as HeldLock)
      .subscribe({ complete: () => (isOver = true) });
    expect(isOver).toBe(true);
  });
});
