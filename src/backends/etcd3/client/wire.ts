/**
 * The wire format of Protocol Buffers: numbers, texts and nested messages, as far as etcd's messages need them
 * (protobuf.dev/programming-guides/encoding).
 */
import { RpcError } from './rpc-error.js';

/** An int64 or uint64, as in npm etcd3. */
export type Int64 = string | number | bigint;

const TWO_32 = 0x1_0000_0000;
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/**
 * Writes from the end of the buffer to its beginning: the content of a message is written before its length, so that
 * the length is known. For that, fields are written in reverse order.
 */
export class Writer {
  #buffer = Buffer.allocUnsafe(4096);
  #at = this.#buffer.length;
  // The latest int64 given as text, with its two halves: parsing a lease id needs a BigInt, and all claims of a group
  // have the same lease.
  #text = '';
  #low = 0;
  #high = 0;

  /** The current position: everything written from here on belongs to the message that {@link message} closes. */
  get mark(): number {
    return this.#buffer.length - this.#at;
  }

  /** Takes what was written, after `before` free bytes. The writer is empty afterwards. */
  taken(before: number): Buffer {
    const length = this.mark;
    const taken = Buffer.allocUnsafe(before + length);
    this.#buffer.copy(taken, before, this.#at);
    this.#at = this.#buffer.length;
    return taken;
  }

  /** Drops what was written, such as an incomplete message. */
  clear(): void {
    this.#at = this.#buffer.length;
  }

  bytes(field: number, value: Buffer | undefined): void {
    if (value === undefined) return;
    const length = value.length;
    this.#room(length);
    this.#at -= length;
    value.copy(this.#buffer, this.#at);
    this.#small(length);
    this.#small((field << 3) | BYTES);
  }

  text(field: number, value: string | undefined): void {
    if (value === undefined) return;
    this.bytes(field, Buffer.from(value));
  }

  bool(field: number, value: boolean | undefined): void {
    if (value === undefined) return;
    this.#small(value ? 1 : 0);
    this.#small((field << 3) | VARINT);
  }

  /** An enum value, below 2^31. */
  enumerated(field: number, value: number | undefined): void {
    if (value === undefined) return;
    this.#small(value);
    this.#small((field << 3) | VARINT);
  }

  int64(field: number, value: Int64 | undefined): void {
    if (value === undefined) return;
    if (typeof value === 'number' && value >= 0 && value < TWO_32) this.#varint(value, 0);
    else if (typeof value === 'string' && value === this.#text) this.#varint(this.#low, this.#high);
    else this.#large(value);
    this.#small((field << 3) | VARINT);
  }

  /** Closes a nested message that began at the mark. */
  message(field: number, from: number): void {
    this.#small(this.mark - from);
    this.#small((field << 3) | BYTES);
  }

  #large(value: Int64): void {
    const bits = BigInt.asUintN(64, BigInt(value));
    const low = Number(bits & 0xffff_ffffn);
    const high = Number(bits >> 32n);
    if (typeof value === 'string') {
      this.#text = value;
      this.#low = low;
      this.#high = high;
    }
    this.#varint(low, high);
  }

  /** A number below 2^32, mostly below 128. */
  #small(value: number): void {
    if (value > 0x7f) return this.#varint(value, 0);
    this.#room(1);
    this.#buffer[(this.#at -= 1)] = value;
  }

  #varint(low: number, high: number): void {
    this.#room(10);
    let length = 1;
    let [l, h] = [low >>> 0, high >>> 0];
    while (h > 0 || l > 0x7f) {
      l = ((l >>> 7) | (h << 25)) >>> 0;
      h >>>= 7;
      length += 1;
    }
    this.#at -= length;
    [l, h] = [low >>> 0, high >>> 0];
    for (let i = 0; i < length; i += 1) {
      this.#buffer[this.#at + i] = (l & 0x7f) | (i < length - 1 ? 0x80 : 0);
      l = ((l >>> 7) | (h << 25)) >>> 0;
      h >>>= 7;
    }
  }

  #room(bytes: number): void {
    if (this.#at >= bytes) return;
    const length = this.mark;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, length + bytes));
    this.#buffer.copy(larger, larger.length - length, this.#at);
    this.#at = larger.length - length;
    this.#buffer = larger;
  }
}

/** The deepest nesting. Our answers are less deep; without a limit, a hostile answer could overflow the stack. */
const DEEPEST = 32;

/** Reads one message. For any input it ends or throws. */
export class Reader {
  readonly #buffer: Buffer;
  #at: number;
  #end: number;
  #depth = 0;
  /** The wire type of the field that {@link field} has read. */
  #type = VARINT;
  #low = 0;
  #high = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
    this.#at = 0;
    this.#end = buffer.length;
  }

  /** Reads the number of the next field; 0 at the end of the message. */
  field(): number {
    if (this.#at >= this.#end) return 0;
    this.#varint();
    this.#type = this.#low & 7;
    const field = this.#low >>> 3;
    if (field === 0 || this.#high !== 0) throw malformed('a field without a number');
    return field;
  }

  bytes(): Buffer {
    const length = this.#length();
    const from = this.#at;
    this.#at += length;
    return this.#buffer.subarray(from, this.#at);
  }

  text(): string {
    const length = this.#length();
    const from = this.#at;
    this.#at += length;
    return this.#buffer.toString('utf8', from, this.#at);
  }

  bool(): boolean {
    this.#expect(VARINT);
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  enumerated(): number {
    this.#expect(VARINT);
    this.#varint();
    return this.#low | 0;
  }

  /** An int64 in decimal. */
  int64(): string {
    this.#expect(VARINT);
    this.#varint();
    if (this.#high === 0) return this.#low.toString();
    if (this.#high < 0x20_0000) return (this.#high * TWO_32 + this.#low).toString();
    return BigInt.asIntN(64, this.#bits()).toString();
  }

  uint64(): string {
    this.#expect(VARINT);
    this.#varint();
    return this.#high === 0 ? this.#low.toString() : this.#bits().toString();
  }

  /** A nested message, which `read` reads to its end. */
  message<T>(read: (reader: Reader) => T): T {
    const length = this.#length();
    const outer = this.#end;
    this.#end = this.#at + length;
    this.#depth += 1;
    if (this.#depth > DEEPEST) throw malformed('messages nested too deep');
    const message = read(this);
    this.#depth -= 1;
    this.#end = outer;
    return message;
  }

  /** Skips a field that we do not need. */
  skip(): void {
    if (this.#type === VARINT) this.#varint();
    else if (this.#type === BYTES) this.#advance(this.#length());
    else if (this.#type === FIXED64) this.#advance(8);
    else if (this.#type === FIXED32) this.#advance(4);
    else throw malformed(`a field of type ${this.#type}`);
  }

  #bits(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  #expect(type: number): void {
    if (this.#type !== type) throw malformed('a field of another type');
  }

  #advance(bytes: number): void {
    if (this.#at + bytes > this.#end) throw malformed('a message that is cut off');
    this.#at += bytes;
  }

  #length(): number {
    this.#expect(BYTES);
    this.#varint();
    if (this.#high > 0 || this.#low > this.#end - this.#at) throw malformed('a message that is cut off');
    return this.#low;
  }

  #varint(): void {
    let [low, high, shift] = [0, 0, 0];
    for (;;) {
      if (this.#at >= this.#end) throw malformed('a message that is cut off');
      const byte = this.#buffer[this.#at] ?? 0;
      this.#at += 1;
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= (byte & 0x7f) << 28;
        high = (byte & 0x7f) >>> 4;
      } else high |= (byte & 0x7f) << (shift - 32);
      if (byte < 0x80) break;
      shift += 7;
      if (shift > 63) throw malformed('a number without an end');
    }
    this.#low = low >>> 0;
    this.#high = high >>> 0;
  }
}

const malformed = (what: string): RpcError =>
  new RpcError('INTERNAL', `the answer cannot be read: it has ${what}. Is the server an etcd?`);
