import { describe, it } from '@jest/globals';
import { marbles } from 'rxjs-marbles/jest';
import { TIMES, letters, serverOf } from '../support/marbles.js';

describe('lock$', () => {
  it(
    'holds while subscribed',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      const subscribed = '  ---^-------------------------!';
      const expected = '    ---h--------------------------';
      m.expect(letters(a.mutex('k').lock$()), subscribed).toBeObservable(expected);
    }),
  );

  it(
    'waits while another holds, and gets it when that one unsubscribes',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const b = server.client(TIMES);
      const subA = '        ^---------!';
      const expA = '        h----------';
      const subB = '        --^--------------!';
      const expB = '        --w-------h-------';
      m.expect(letters(a.mutex('k').lock$()), subA).toBeObservable(expA);
      m.expect(letters(b.mutex('k').lock$()), subB).toBeObservable(expB);
    }),
  );
});
