import { describe, expect, it, jest } from '@jest/globals';
import { Subject } from 'rxjs';
import type { HeldLock } from '../../src/index.js';
import * as settling from '../../src/backend/settled.js';

/** The module once more, as where one is imported and another required. */
function anotherCopy(): typeof settling {
  let copy: typeof settling | undefined;
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
    settling.settlesWith(held, settled$);
    const { settled, settlesWith: another } = anotherCopy();
    expect(another).not.toBe(settling.settlesWith);
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
