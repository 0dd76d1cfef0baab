/**
 * The other end of `clients.mjs`: a process that does what it is asked over IPC, and answers.
 *
 * @param {Readonly<Record<string, (given: any) => unknown>>} verbs
 */
export function answerWith(verbs) {
  process.on('message', async ({ id, verb, ...given }) => {
    try {
      process.send({ id, answer: await verbs[verb](given) });
    } catch (error) {
      process.send({ id, error: String(error?.stack ?? error) });
    }
  });
  process.send({ id: 0 });
}
