/**
 * The guards of the engine, each with a way to take it out. A guard whose removal nothing notices is not proven.
 * What is to be replaced must be there, once or more: a guard that moved is to be found again here.
 */
export const GUARDS = {
  'the safety margin': [['src/core/timing.ts', '=> sentAt + ttl - margin', '=> sentAt + ttl + 0 * margin']],
  'the deadline counts from the send of a renewal': [
    ['src/session/session.ts', '{ sentAt: lastSent, ttl: answer.ttl }', '{ sentAt: time.now(), ttl: answer.ttl }'],
  ],
  'the deadline itself': [
    [
      'src/session/session.ts',
      'failAt(at(time, validUntil, LOOK_EVERY), expired)',
      'failAt(at(time, validUntil + 1e9, LOOK_EVERY), expired)',
    ],
  ],
  'no late renewal counts': [
    ['src/session/session.ts', 'if (time.now() >= validUntil) throw expired();', ''],
    [
      'src/session/session.ts',
      'failAt(at(time, validUntil, LOOK_EVERY), expired)',
      'failAt(at(time, validUntil + 700, LOOK_EVERY), expired)',
    ],
  ],
  'the deadline is looked at before each emission': [
    ['src/operators/using-lock.ts', 'if (held.isHeld()) subscriber.next(value);', 'subscriber.next(value);'],
  ],
  'the clock is not the wall clock': [['src/core/clock.ts', 'return monotonic + asleep;', 'return wall;']],
  'the clock counts sleep': [['src/core/clock.ts', 'asleep += Math.max(wallGain, bootGain)', 'asleep += 0']],
  'a release takes out its own claim only': [
    [
      'src/backends/memory/server.ts',
      'there.filter(({ id, token }) => id !== name || (entered && token !== entered[i]?.token))',
      'there.slice(1)',
    ],
  ],
  'a claim is withdrawn on unsubscribe': [
    ['src/lock/claim.ts', 'this.#isWorthLeaving(answer, isClear) ? this.#left$(entered) : EMPTY', 'EMPTY'],
  ],
  'a release is asked for until acknowledged': [
    ['src/lock/claim.ts', 'again: () => time.now() < giveUpAt || session.isAlive()', 'again: () => false'],
  ],
  'an attempt to enter is repeated as the same claim': [
    [
      'src/lock/claim.ts',
      'backend.enter(this.#claim,',
      'backend.enter({ ...this.#claim, id: `${this.#claim.id}x${String(this.#parts.engine.settings.random())}` },',
    ],
  ],
  'an unanswered attempt leaves a tombstone': [
    ['src/lock/claim.ts', 'const entered = isClear ? there : undefined;', 'const entered = there;'],
  ],
  'an attempt under way is heard out before it is withdrawn': [
    ['src/session/bracket.ts', 'if (!this.#isUnderWay) this.#giveBack();', 'this.#giveBack();'],
  ],
  'the body is stopped before its claim leaves': [
    ['src/operators/using-lock.ts', '    subscriber.add(body);\n', ''],
    ['src/operators/using-lock.ts', 'body.add(held.renewals$.subscribe({ error: stop, complete: stop }));', ''],
  ],
  'the queue is read again after its stream broke': [
    ['src/lock/follower.ts', '.subscribe(() => this.start());', '.subscribe(() => undefined);'],
  ],
  'the queue is read again once in a while': [
    ['src/lock/follower.ts', 'this.#engine.time.now() >= this.#readAgainAt', 'false'],
  ],
  'a holder watches its own claim': [['src/lock/line.ts', 'this.line.follow(this);', '']],
  'a request to give way is no loss': [['src/core/place.ts', ' || isAskedFor(found, mine)', '']],
  'a view older than the claim says nothing about it': [
    ['src/core/place.ts', 'if (knownAt > revision) return false;', ''],
  ],
  'a lock is not granted on a session past its deadline': [
    ['src/lock/contend.ts', "if (!session.isAlive()) return this.failed(new PlaceLost('expired'));", ''],
    ['src/lock/hold.ts', '!this.#isOver && this.#session.isAlive()', '!this.#isOver'],
  ],
  'a waiter whose session ended queues again': [
    [
      'src/lock/contend.ts',
      'error instanceof PlaceLost || (this.#inTheWay && isRetryable(error))',
      'this.#inTheWay && isRetryable(error)',
    ],
  ],
  'an ended session is revoked': [
    ['src/session/session.ts', 'giveBack: () => revoke$(engine, lease)', 'giveBack: () => of(undefined)'],
  ],
  'the lease is audited once in a while': [['src/lock/patrol.ts', '!isThere(line.key, mine)', 'false']],
  'a release is acknowledged before a hand-off, unless the body was done': [
    ['src/lock/claim.ts', 'this.#handsOn && entered ? this.#line.handOn', 'entered ? this.#line.handOn'],
  ],
  'a claim of an earlier round that leaves late ends no later hold': [
    ['src/lock/contend.ts', 'if (this.#entry === entry) this.#endHold();', 'this.#endHold();'],
  ],
  'a writer that waits stops later readers': [
    [
      'src/core/blockers.ts',
      "read: (claims, place) => count(claims, place, ({ kind }) => kind !== 'read'),",
      'read: () => 0,',
    ],
    [
      'src/core/blockers.ts',
      "(kind === 'read' || place < least)",
      "(kind === 'read' || claims[place]?.kind === 'read' || place < least)",
    ],
    ['src/core/blockers.ts', 'kind === first.kind && (', '('],
  ],
  'of permits the least counts': [['src/core/blockers.ts', 'least = Math.min(least, permits);', 'least = permits;']],
  'all are held once each of them is first': [
    ['src/lock/together.ts', 'if (blocked.length > 0) {', 'if (blocked.length === turns.length) {'],
  ],
  'the loss of one is the loss of all': [
    [
      'src/lock/together.ts',
      'if (gone) return',
      "if (gone && !turns.some(({ status }) => status === 'blocked')) return;\n    if (gone) return",
    ],
  ],
  'who wants several leaves all of them': [
    ['src/backends/memory/server.ts', 'put(leaving.filter(', 'put(leaving.slice(0, 1).filter('],
  ],
};
