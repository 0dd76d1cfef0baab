/**
 * The guards of the engine, each with a way to take it out. A guard whose removal nothing notices is not proven.
 * What is to be replaced must be there, once or more: a guard that moved is to be found again here.
 */
export const GUARDS = {
  'the safety margin': [['src/rules/timing.ts', '=> sentAt + ttl - margin', '=> sentAt + ttl + 0 * margin']],
  'the deadline counts from the send of a renewal': [
    ['src/engine/session.ts', '{ sentAt: lastSent, ttl: answer.ttl }', '{ sentAt: time.now(), ttl: answer.ttl }'],
  ],
  'the deadline itself': [
    ['src/engine/session.ts', 'at(time, validUntil(), LOOK_EVERY)', 'at(time, validUntil() + 1e9, LOOK_EVERY)'],
  ],
  'no late renewal counts': [
    [
      'src/engine/session.ts',
      'if (time.now() >= validUntil()) throw expired();\n      lastFailure = undefined;',
      'lastFailure = undefined;',
    ],
    ['src/engine/session.ts', 'at(time, validUntil(), LOOK_EVERY)', 'at(time, validUntil() + 700, LOOK_EVERY)'],
  ],
  'the deadline is looked at before each emission': [
    ['src/operators/using-lock.ts', 'if (held.isHeld()) subscriber.next(value);', 'subscriber.next(value);'],
  ],
  'the clock is not the wall clock': [['src/time/clock.ts', 'return monotonic + asleep;', 'return wall;']],
  'the clock counts sleep': [['src/time/clock.ts', 'asleep += Math.max(wallGain, bootGain)', 'asleep += 0']],
  'a release takes out its own claim only': [
    ['src/backends/memory/server.ts', 'return cut(key, token);', 'return cut(key, claimsAt(key)[0]?.token ?? token);'],
  ],
  'a claim is withdrawn on unsubscribe': [
    ['src/engine/claim.ts', 'this.#isWorthLeaving(answer, isClear) ? this.#dequeued$(queued) : EMPTY', 'EMPTY'],
  ],
  'a release is asked for until acknowledged': [
    [
      'src/engine/claim.ts',
      'again: () => time.now() < giveUpAt || (this.session?.isAlive() ?? false)',
      'again: () => false',
    ],
  ],
  'an attempt to enter is repeated as the same claim': [
    [
      'src/engine/claim.ts',
      'return backend.enqueue(this.#requests,',
      'return backend.enqueue(this.#requests.map((one) => ({ ...one, id: `${one.id}x${String(this.#runtime.settings.random())}` })),',
    ],
  ],
  'an unanswered attempt leaves a tombstone': [
    ['src/engine/claim.ts', 'const queued = isClear ? there : undefined;', 'const queued = there;'],
  ],
  'an attempt under way is heard out before it is withdrawn': [
    ['src/engine/io/acquire-release.ts', 'if (!this.#isUnderWay) this.#dispose();', 'this.#dispose();'],
  ],
  'the body is stopped before its claim leaves': [
    ['src/operators/using-lock.ts', '    subscriber.add(body);\n', ''],
    ['src/operators/using-lock.ts', 'body.add(held.ended$.subscribe({ error: stop, complete: stop }));', ''],
  ],
  'the queue is read again after its stream broke': [
    ['src/engine/queue/list-watch.ts', '.subscribe(() => this.start());', '.subscribe(() => undefined);'],
  ],
  'the queue is read again once in a while': [
    ['src/engine/queue/list-watch.ts', 'this.#runtime.time.now() >= this.#readAgainAt', 'false'],
  ],
  'a holder watches its own claim': [['src/engine/queue/waiter.ts', 'this.queue.follow(this);', '']],
  'a request to give way is no loss': [['src/rules/place.ts', ' || isRevocationRequest(found, mine)', '']],
  'a view older than the claim says nothing about it': [
    ['src/rules/place.ts', 'if (own.knownAt > revision) return false;', ''],
  ],
  'a lock is not granted on a session past its deadline': [
    ['src/engine/contender.ts', 'if (!session.isAlive()) return session.expired();', ''],
    ['src/engine/hold.ts', "if (!this.#session.isAlive()) return 'expired';", ''],
  ],
  'a waiter whose session ended queues again': [
    ['src/engine/contender.ts', 'return this.#again(loss);', 'return this.#fail(loss);'],
  ],
  'an ended session is revoked': [
    ['src/engine/session.ts', 'dispose: () => revoke$(runtime, lease)', 'dispose: () => of(undefined)'],
  ],
  'the lease is audited once in a while': [['src/engine/queue/resync.ts', '!isThere(claim.key, claim.mine)', 'false']],
  'a release is acknowledged before a hand-off, unless the body was done': [
    ['src/engine/claim.ts', 'this.#handsOff && queued ? this.#handOff(queued)', 'queued ? this.#handOff(queued)'],
  ],
  'a writer that waits stops later readers': [
    [
      'src/rules/blockers.ts',
      "read: (claims, place) => count(claims, place, ({ kind }) => kind !== 'read'),",
      'read: () => 0,',
    ],
    [
      'src/rules/blockers.ts',
      "(kind === 'read' || place < least)",
      "(kind === 'read' || claims[place]?.kind === 'read' || place < least)",
    ],
    ['src/rules/blockers.ts', 'kind === first.kind && (', '('],
  ],
  'of permits the least counts': [['src/rules/blockers.ts', 'least = Math.min(least, permits);', 'least = permits;']],
  'all are held once each of them is first': [
    ['src/engine/claim.ts', 'if (blocked.length > 0) {', 'if (blocked.length === states.length) {'],
  ],
  'the loss of one is the loss of all': [
    [
      'src/engine/claim.ts',
      "if (state.status !== 'blocked' && state.status !== 'first') return this.#tell(state);",
      "if (state.status === 'lost' && this.#places.some((other) => other.state?.status === 'first')) return;\n      if (state.status !== 'blocked' && state.status !== 'first') return this.#tell(state);",
    ],
  ],
  'who wants several leaves all of them': [
    ['src/backends/memory/server.ts', 'return cut(key, token);', 'return i === 0 && cut(key, token);'],
  ],
  'who holds asks whether it is done before it runs it': [
    ['src/engine/features/turn.ts', 'if (marker) this.#done(marker);\n          else if', 'if'],
  ],
  'a lease of another history is not renewed': [
    ['src/backends/etcd3/incarnation.ts', 'if (epoch === this.#epoch) return undefined;', 'return undefined;'],
  ],
  'a try is sent as one': [['src/engine/claim.ts', "this.#isTry ? 'try' : isWatched", 'isWatched']],
  'the oldest of those who ask for the same is served first': [
    ['src/engine/contender.ts', 'if (this.#exchanges(claim)) return claim.listener(state);', ''],
  ],
  'claims that differ are sent one after the other': [
    [
      'src/engine/queue/enqueue-order.ts',
      'admitted.size === 0 || (shape !== undefined && shape === enqueuer.shape)',
      'admitted.size >= 0 || shape === enqueuer.shape',
    ],
  ],
};
