/**
 * Makes a member end a stream when it is cut off from the leader of its cluster; otherwise its watches would be silent.
 * It is a header of gRPC, which npm etcd3 accepts only through an interceptor of grpc-js.
 */

interface Made {
  start(metadata: { set(name: string, value: string): void }, listener: unknown): void;
}

const withLeader = (options: unknown, nextCall: (options: unknown) => Made): Made => {
  const made = nextCall(options);
  const start = made.start.bind(made);
  made.start = (metadata, listener) => {
    metadata.set('hasleader', 'true');
    start(metadata, listener);
  };
  return made;
};

/** Call options of grpc-js. */
export const WITH_LEADER: object = { interceptors: [withLeader] };
