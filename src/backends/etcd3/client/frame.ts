/**
 * The frames of gRPC: a byte for compression, four bytes for the length, then the message.
 */
import { RpcError } from './rpc-error.js';

/** The length of the prefix, in bytes. */
export const PREFIX = 5;

/** Writes the prefix into the free bytes at the beginning. */
export function framed(frame: Buffer): Buffer {
  frame[0] = 0;
  frame.writeUInt32BE(frame.length - PREFIX, 1);
  return frame;
}

/** Assembles messages from the pieces in which frames arrive. */
export class Deframer {
  readonly #most: number;
  /** An incomplete prefix, or empty. */
  #prefix: Buffer = EMPTY;
  /** The incomplete message, and how many of its bytes have arrived. */
  #message: Buffer | undefined;
  #length = 0;

  /** @param most the largest message that is accepted, in bytes */
  constructor(most: number) {
    this.#most = most;
  }

  /** Whether the last frame is complete. */
  get isWhole(): boolean {
    return this.#message === undefined && this.#prefix.length === 0;
  }

  /**
   * Passes on the messages that this piece completes. Throws an {@link RpcError} for a message that cannot be accepted.
   */
  push(piece: Buffer, take: (message: Buffer) => void): void {
    let rest = this.#prefix.length > 0 ? Buffer.concat([this.#prefix, piece]) : piece;
    this.#prefix = EMPTY;
    while (rest.length > 0) {
      if (this.#message) {
        const message = this.#message;
        const taken = rest.copy(message, this.#length);
        this.#length += taken;
        rest = rest.subarray(taken);
        if (this.#length < message.length) return;
        this.#message = undefined;
        take(message);
      } else if (rest.length < PREFIX) {
        this.#prefix = rest;
        return;
      } else {
        const length = this.#lengthOf(rest);
        const end = PREFIX + length;
        if (rest.length < end) {
          this.#message = Buffer.allocUnsafe(length);
          this.#length = rest.copy(this.#message, 0, PREFIX);
          return;
        }
        // The usual case: the piece is a whole frame, and is read without a copy.
        take(rest.subarray(PREFIX, end));
        rest = rest.subarray(end);
      }
    }
  }

  #lengthOf(frame: Buffer): number {
    if (frame[0] !== 0) {
      throw new RpcError('INTERNAL', 'the answer is compressed or is not gRPC. Is the server an etcd?');
    }
    const length = frame.readUInt32BE(1);
    // With the message of grpc-js, by which errors.ts recognizes it.
    if (length > this.#most) {
      throw new RpcError('RESOURCE_EXHAUSTED', `Received message larger than max (${length} vs. ${this.#most})`);
    }
    return length;
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
