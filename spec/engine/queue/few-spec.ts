import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Few } from '../../../src/engine/queue/few.js';

describe('few', () => {
  it('are what a Set would have, in its order', () => {
    const members = [{ n: 0 }, { n: 1 }, { n: 2 }];
    const step = fc.record({ adds: fc.boolean(), which: fc.integer({ min: 0, max: members.length - 1 }) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const [few, set] = [new Few<{ readonly n: number }>(), new Set<{ readonly n: number }>()];
        for (const { adds, which } of steps) {
          const member = members[which];
          if (!member) continue;
          if (adds) {
            few.add(member);
            set.add(member);
          } else {
            expect(few.delete(member)).toBe(set.delete(member));
          }
          expect([...few]).toEqual([...set]);
          expect(few.size).toBe(set.size);
        }
      }),
    );
  });

  it('may be deleted while they are visited', () => {
    const members = [{}, {}, {}];
    for (const count of [1, 3]) {
      const few = new Few<object>();
      for (const member of members.slice(0, count)) few.add(member);
      let visited = 0;
      for (const member of few) {
        few.delete(member);
        visited += 1;
      }
      expect([visited, few.size]).toEqual([count, 0]);
    }
  });
});
