/**
 * What the server itself counted. A message on a stream (a keepalive, a watch) is a request like any other; the
 * reading of the counters goes over plain HTTP and is not among them.
 */
const RECEIVED = /^grpc_server_msg_received_total\{grpc_method="(\w+)".*\} (\S+)$/gm;
/** The v2 API. */
const OVER_HTTP = /^etcd_http_received_total\{.*\} (\S+)$/gm;
const SENT = /^etcd_network_client_grpc_sent_bytes_total (\S+)$/m;

const textOf = async (url) => (await fetch(`${url}/metrics`)).text();

const metricOf = async (url, line) => Number(line.exec(await textOf(url))?.[1] ?? 0);

async function read(url) {
  const text = await textOf(url);
  const requests = {};
  // Several services may have a method of one name: etcd's Watch, and the one of its health checks.
  for (const [, method, count] of text.matchAll(RECEIVED)) requests[method] = (requests[method] ?? 0) + Number(count);
  return { requests, bytes: Number(SENT.exec(text)?.[1] ?? 0) };
}

/**
 * The requests that the server received while something ran, by method, and the bytes it answered.
 *
 * @param {string} url
 * @param {() => unknown} run
 */
export async function counted(url, run) {
  const before = await read(url);
  const result = await run();
  const after = await read(url);
  const requests = {};
  for (const [method, count] of Object.entries(after.requests)) {
    const more = count - (before.requests[method] ?? 0);
    if (more > 0) requests[method] = more;
  }
  const total = Object.values(requests).reduce((sum, count) => sum + count, 0);
  return { result, requests, total, bytes: after.bytes - before.bytes };
}

/** How many watches the server carries at the moment. */
export const watchesOf = (url) => metricOf(url, /^etcd_debugging_mvcc_watcher_total (\S+)$/m);

/** All events that the server has sent so far to those who watch. */
export const eventsSoFar = (url) => metricOf(url, /^etcd_debugging_mvcc_events_total (\S+)$/m);

/** All that the server has received so far, by either API. */
export async function requestsSoFar(url) {
  const text = await textOf(url);
  return [...text.matchAll(RECEIVED), ...text.matchAll(OVER_HTTP)].reduce(
    (sum, found) => sum + Number(found.at(-1)),
    0,
  );
}
