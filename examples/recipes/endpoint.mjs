/**
 * An endpoint: 423 when somebody else is at it, 503 when nobody can know, 409 when the lock was lost half-way.
 */
import fastify from 'fastify';

const STATUS = { ALREADY_LOCKED: 423, LOCK_TIMEOUT: 423, LOCK_LOST: 409, BACKEND: 503, LOCKS_CLOSED: 503 };

export function endpoint(locks, publish) {
  const app = fastify();
  app.setErrorHandler((error, _, reply) => {
    const status = STATUS[error.code];
    if (status === undefined) return reply.send(error);
    if (status !== 409) reply.header('retry-after', '1');
    // Who holds it and what a server said stays in the log.
    return reply.code(status).send({ error: error.code });
  });
  app.post('/articles/:id/publish', async ({ params: { id } }, reply) => {
    // Who closes the connection does not wait any more. What has begun is finished.
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const options = { wait: 2_000, waitSignal: gone.signal };
    return locks.mutex(`articles/${encodeURIComponent(id)}`).use((held) => publish(id, held.signal), options);
  });
  return app;
}
