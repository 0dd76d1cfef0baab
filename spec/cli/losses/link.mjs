/**
 * A way to etcd that can be cut: what is under way stays under way, nobody is told.
 */
import { connect, createServer } from 'node:net';

export async function link(port) {
  const sockets = new Set();
  let isCut = false;
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(from);
      from.on('data', (chunk) => {
        if (!isCut) to.write(chunk);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        if (!isCut) to.destroy();
      });
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut: () => (isCut = true),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
