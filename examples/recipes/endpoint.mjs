/**
 * An endpoint: 423 when another client holds the lock, 503 when the server of the locks does not answer, 409 when the lock
 * was lost half-way.
 */
import fastify from 'fastify';

const STATUS = { ALREADY_LOCKED: 423, LOCK_TIMEOUT: 423, LOCK_LOST: 409, BACKEND: 503, LOCKS_CLOSED: 503 };

export function endpoint(locks, publish) {
  const app = fastify();
  app.setErrorHandler((error, _, reply) => {
    // The client has closed its connection while it waited: nobody reads the answer.
    const status = error.name === 'AbortError' ? 499 : STATUS[error.code];
    if (status === undefined) return reply.send(error);
    if (status === 499) return reply.code(status).send();
    if (status !== 409) reply.header('retry-after', '1');
    // Log the holders (`error.holders`) and the message; do not send them to the client.
    return reply.code(status).send({ error: error.code });
  });
  app.get('/health', async () => {
    await locks.ping({ within: 1_000 });
    return { ok: true };
  });
  app.post('/articles/:id/publish', async ({ params: { id } }, reply) => {
    // A client that closes the connection does not wait any more. Work that has begun is finished.
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const options = { wait: 2_000, waitSignal: gone.signal };
    return locks.mutex(`articles/${encodeURIComponent(id)}`).use((held) => publish(id, held.signal), options);
  });
  return app;
}
