/**
 * `etcd grpc-proxy`, which comes with etcd: it gives watches ids of its own, joins those of several clients, and knows
 * nothing of progress requests.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

export interface GrpcProxy {
  readonly url: string;
  stop(): Promise<void>;
}

/** Resolves when it serves. Ends with this process. */
export async function startGrpcProxy(binary: string, etcdUrl: string): Promise<GrpcProxy> {
  const port = await freePort();
  const address = `127.0.0.1:${String(port)}`;
  const proxy = spawn(
    binary,
    ['grpc-proxy', 'start', `--endpoints=${etcdUrl}`, `--listen-addr=${address}`, `--advertise-client-url=${address}`],
    { stdio: 'ignore' },
  );
  const killed = (): boolean => proxy.kill('SIGKILL');
  process.once('exit', killed);
  const exited = once(proxy, 'exit');
  while (!(await isListening(port))) if (proxy.exitCode !== null) throw new Error('the proxy ended before it served');
  return {
    url: `http://${address}`,
    async stop() {
      process.off('exit', killed);
      proxy.kill('SIGKILL');
      await exited;
    },
  };
}

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    const told = (is: boolean): void => {
      socket.destroy();
      setTimeout(() => resolve(is), is ? 0 : 20);
    };
    socket.once('connect', () => told(true));
    socket.once('error', () => told(false));
  });

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
