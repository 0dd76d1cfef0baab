/**
 * gRPC's frames: a byte that says whether what follows is compressed, four for its length, the message.
 */
import { RpcError } from './rpc-error.js';

/** What precedes a message. */
export const PREFIX = 5;

/** Writes the prefix of a message that has been left room for it. */
export function framed(frame: Buffer): Buffer {
  frame[0] = 0;
  frame.writeUInt32BE(frame.length - PREFIX, 1);
  return frame;
}

/** What is made of the pieces in which frames arrive. */
export class Deframer {
  readonly #most: number;
  /** The beginning of a prefix, or nothing. */
  #prefix: Buffer = EMPTY;
  /** The message that is under way, and how much of it is there. */
  #message: Buffer | undefined;
  #length = 0;

  /** @param most the largest message that is taken, in bytes */
  constructor(most: number) {
    this.#most = most;
  }

  /** Whether the last frame has come in full. */
  get isWhole(): boolean {
    return this.#message === undefined && this.#prefix.length === 0;
  }

  /** Hands on the messages that this piece completes. Throws an {@link RpcError} at what cannot be taken. */
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
        // Mostly a piece is a frame: it is read where it lies.
        take(rest.subarray(PREFIX, end));
        rest = rest.subarray(end);
      }
    }
  }

  #lengthOf(frame: Buffer): number {
    if (frame[0] !== 0) {
      throw new RpcError('INTERNAL', 'the answer is compressed, or none of gRPC. Is the server an etcd?');
    }
    const length = frame.readUInt32BE(1);
    // In the words of grpc-js.
    if (length > this.#most) {
      throw new RpcError('RESOURCE_EXHAUSTED', `Received message larger than max (${length} vs. ${this.#most})`);
    }
    return length;
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
