/**
 * Contenders of one `Locks` for the same are served in the order of their subscription.
 */
import { describe, expect, it } from '@jest/globals';
import { createSubscriptionOrder } from '../../src/engine/subscription-order.js';

describe('the order of subscription', () => {
  const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

  it('lists who waits for the same, the oldest first, and nobody else', () => {
    const order = createSubscriptionOrder<object>();
    order.join('k', b);
    order.join('k', a);
    order.join('other', c);
    expect([...order.waiting('k')]).toEqual([b, a]);
    expect([...order.waiting('other')]).toEqual([c]);
    expect([...order.waiting('unknown')]).toEqual([]);
  });

  it('forgets who leaves, and keeps the others in their order', () => {
    const order = createSubscriptionOrder<object>();
    for (const one of [a, b, c]) order.join('k', one);
    order.leave('k', b);
    order.leave('unknown', a);
    expect([...order.waiting('k')]).toEqual([a, c]);
    order.leave('k', a);
    order.leave('k', c);
    order.leave('k', c);
    expect([...order.waiting('k')]).toEqual([]);
    order.join('k', b);
    expect([...order.waiting('k')]).toEqual([b]);
  });
});
