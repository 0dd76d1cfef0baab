/**
 * Has a member that is cut off from the leader of its cluster end a stream: its watches would be silent, while it answers
 * whatever it can answer by itself. Metadata of gRPC, which npm etcd3 takes by way of an interceptor of grpc-js only.
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

/** Options of a call of grpc-js. */
export const WITH_LEADER: object = { interceptors: [withLeader] };
