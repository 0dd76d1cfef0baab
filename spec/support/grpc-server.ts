/**
 * A server that answers as it is told, for what no etcd would send.
 */
import { createServer } from 'node:http2';
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

/** A call as it comes in. */
export interface ServedCall {
  readonly headers: IncomingHttpHeaders;
  readonly stream: ServerHttp2Stream;
}

/** Answers each call with `answer`, in the order of their coming. */
export async function grpcServer(answer: (call: ServedCall, count: number) => void, address = '127.0.0.1') {
  const calls: ServedCall[] = [];
  const sessions: ServerHttp2Session[] = [];
  const server = createServer();
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => session.destroy());
  });
  server.on('stream', (stream, headers) => {
    // What a client breaks off is not this server's trouble.
    stream.on('error', () => stream.close());
    const call = { headers, stream };
    calls.push(call);
    answer(call, calls.length);
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: { hostname: address, port, isSecure: false, authority: `${address}:${port}` },
    calls,
    sessions,
    async stop() {
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A message in gRPC's frame. */
export const frameOf = (message: Buffer): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
};

/** Headers, what is given, and a status in the trailers. */
export function answerWith(
  { stream }: ServedCall,
  data: readonly Buffer[],
  status: string | null = '0',
  message?: string,
): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () =>
    stream.sendTrailers({
      ...(status !== null && { 'grpc-status': status }),
      ...(message !== undefined && { 'grpc-message': message }),
    }),
  );
  for (const piece of data) stream.write(piece);
  stream.end();
}
