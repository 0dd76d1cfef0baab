/**
 * How a call to etcd fails: gRPC's status codes (grpc.github.io/grpc/core/md_doc_statuscodes.html), by name.
 */

/** The names, by number. */
const STATUS_NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export type StatusName = (typeof STATUS_NAMES)[number];

/** A call that was not answered, or was refused. The message is written as grpc-js writes it: `14 UNAVAILABLE: …`. */
export class RpcError extends Error {
  /** The number of the status. */
  readonly code: number;
  readonly status: StatusName;
  /** The message of the server, or ours if it gave none. */
  readonly details: string;
  /** Whether the server has certainly not begun with the call, so that it may be sent again. */
  readonly isUnsent: boolean;

  constructor(status: StatusName, details: string, options: { cause?: unknown; isUnsent?: boolean } = {}) {
    const code = STATUS_NAMES.indexOf(status);
    super(`${code} ${status}: ${details}`, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'RpcError';
    this.code = code;
    this.status = status;
    this.details = details;
    this.isUnsent = options.isUnsent ?? false;
  }
}

/** The value of a header; mostly a string. */
type Header = string | readonly string[] | undefined;

const first = (header: Header): string | undefined => (typeof header === 'string' ? header : header?.[0]);

/** The failure in the trailers of a call; `undefined` for OK. */
export function failureOf(grpcStatus: Header, grpcMessage: Header): RpcError | undefined {
  const text = first(grpcStatus) ?? '';
  const status = /^\d{1,3}$/.test(text) ? (STATUS_NAMES[Number(text)] ?? 'UNKNOWN') : 'UNKNOWN';
  if (status === 'OK') return undefined;
  const said = decoded(first(grpcMessage) ?? '');
  return new RpcError(
    status,
    said === '' ? `the server gave no message, only the status "${text.slice(0, 20)}"` : said,
  );
}

/**
 * Decodes a message: gRPC writes unprintable characters as `%0A`. A message that cannot be decoded is used as it is.
 */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch (error) {
    if (error instanceof URIError) return message;
    throw error;
  }
}

/** The failure for an HTTP answer without gRPC, such as that of a proxy (grpc/doc/http-grpc-status-mapping.md). */
export function failureOfHttp(status: number | undefined): RpcError {
  const names: Readonly<Record<number, StatusName>> = {
    400: 'INTERNAL',
    401: 'UNAUTHENTICATED',
    403: 'PERMISSION_DENIED',
    404: 'UNIMPLEMENTED',
    429: 'UNAVAILABLE',
    502: 'UNAVAILABLE',
    503: 'UNAVAILABLE',
    504: 'UNAVAILABLE',
  };
  const name = status === undefined ? undefined : names[status];
  return new RpcError(
    name ?? 'UNKNOWN',
    `the answer has HTTP status ${status} and is not gRPC. Is the server an etcd?`,
  );
}

const REFUSED_STREAM = 7;

/** The failure for a stream that the server reset without a status (grpc/doc/PROTOCOL-HTTP2.md, "Errors"). */
export function failureOfReset(code: number | undefined): RpcError {
  if (code === REFUSED_STREAM) return new RpcError('UNAVAILABLE', 'the server takes no more calls', { isUnsent: true });
  if (code === 0xb)
    return new RpcError('RESOURCE_EXHAUSTED', 'the server refuses more calls for now (ENHANCE_YOUR_CALM)');
  if (code === 8) return new RpcError('CANCELLED', 'the server cancelled the call');
  return new RpcError('INTERNAL', `the server broke the call off, HTTP/2 code ${code}`);
}
