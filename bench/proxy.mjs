/**
 * A TCP proxy that can fall silent: what was sent is not delivered, and no connection is closed.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export async function startProxy(url) {
  const { hostname, port } = new URL(url);
  let isSilent = false;
  const server = createServer({ pauseOnConnect: true }, (near) => {
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) socket.on('error', () => socket.destroy());
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    // What arrives during the silence is dropped, as by a cable that is cut.
    near.on('data', (data) => isSilent || far.write(data));
    far.on('data', (data) => isSilent || near.write(data));
    near.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `${new URL(url).protocol}//127.0.0.1:${server.address().port}`,
    silence() {
      isSilent = true;
    },
  };
}
