/**
 * Named events with typed values over a WebSocket that comes back by itself.
 *
 * An event is `prefix + name + ";" + T + ";" + data`, where T is 0 string, 1 integer, 2 bool,
 * 3 bytes or 4 JSON. Bytes travel in binary messages, all else in text. What does not start with
 * the prefix is a native message. What is sent just before a connection is lost may be lost too.
 */

/**
 * @typedef {object} Options
 * @property {string} [prefix] what events start with: "m:"
 * @property {string | string[]} [protocols] subprotocols to offer
 * @property {boolean} [reconnect] false: a lost connection is the end
 * @property {number} [maxDelay] the longest wait before an attempt, in ms: 60,000
 * @property {(attempt: number) => number} [delay] the wait before attempt 0, 1, …, in ms:
 *   random, up to 5 s, then 4 to 8 s, 8 to 16 s, … up to maxDelay
 * @property {number} [queueLimit] how many messages wait for a connection: 100
 * @property {typeof globalThis.WebSocket} [WebSocket]
 */
export class Events {
  #options;
  #handlers = new Map();
  #queue = [];
  #socket = null;
  #attempt = 0;
  #wasOpen = false;
  #timer;

  /** @param {string | URL} url may be relative or http(s) @param {Options} [options] */
  constructor(url, {
    prefix = "m:", protocols = [], reconnect = true, maxDelay = 60_000, delay = backOff(maxDelay),
    queueLimit = 100, WebSocket = globalThis.WebSocket,
  } = {}) {
    this.#options = { prefix, protocols, reconnect, delay, queueLimit, WebSocket };
    this.url = new URL(url, globalThis.location?.href).href.replace(/^http/, "ws");
    this.#connect();
  }

  /**
   * Handlers are called in the order in which they were added.
   * @param {string} name @param {(value: any, about: { type: number }) => void} handler
   * @returns {() => void} removes the handler, as for all of these
   */
  on(name, handler) { return this.#add(checked(name), handler); }

  /** @param {(data: string | ArrayBuffer) => void} handler gets native messages */
  onMessage(handler) { return this.#add(MESSAGE, handler); }

  /** @param {(about: { isReconnect: boolean }) => void} handler called before what waits is sent */
  onOpen(handler) { return this.#add(OPEN, handler); }

  /**
   * A connection comes back unless close was called or the server closed with 4000 to 4999.
   * @param {(about: { code: number, reason: string, willReconnect: boolean, delay: number }) => void} handler
   */
  onClose(handler) { return this.#add(CLOSE, handler); }

  /** @param {(error: Error) => void} handler gets malformed events and what handlers throw */
  onError(handler) { return this.#add(ERROR, handler); }

  /** Sends an event, at once or when there is a connection. @param {string} name @param {any} [value] */
  emit(name, value) { this.send(encode(this.#options.prefix, checked(name), value)); }

  /** Sends a native message. @param {string | ArrayBuffer | ArrayBufferView | Blob} data */
  send(data) {
    if (this.state === "closed") throw new Error("the connection is closed");
    if (this.state === "open" && this.#socket.readyState === 1) return this.#socket.send(data);
    if (this.#queue.length >= this.#options.queueLimit) throw new Error("too many messages wait");
    this.#queue.push(isBytes(data) ? bytesOf(data).slice() : data);
  }

  /** Closes for good. @param {number} [code] 1000 or 3000 to 4999 @param {string} [reason] */
  close(code = 1000, reason = "") {
    if (this.state === "closed") return;
    this.#socket?.close(code, reason);
    this.#end();
    if (!this.#socket) this.#call(CLOSE, { code, reason, willReconnect: false, delay: 0 });
  }

  #add(key, handler) {
    const added = { handler };
    this.#handlers.set(key, [...(this.#handlers.get(key) ?? []), added]);
    return () => this.#handlers.set(key, this.#handlers.get(key).filter((one) => one !== added));
  }

  #call(key, ...values) {
    for (const { handler } of this.#handlers.get(key) ?? []) {
      try {
        handler(...values);
      } catch (error) {
        key === ERROR ? report(error) : this.#fail(error);
      }
    }
  }

  #fail(error) {
    this.#handlers.get(ERROR)?.length ? this.#call(ERROR, error) : report(error);
  }

  #connect() {
    /** waiting: for the next attempt. @type {"connecting" | "open" | "waiting" | "closed"} */
    this.state = "connecting";
    this.#socket = new this.#options.WebSocket(this.url, this.#options.protocols);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#opened();
    this.#socket.onmessage = ({ data }) => this.#received(data);
    this.#socket.onclose = ({ code, reason }) => this.#lost(code, reason);
  }

  #opened() {
    const isReconnect = this.#wasOpen;
    this.#wasOpen = true;
    this.state = "open";
    // Back-off starts again only after a connection that lasted: a server may accept and drop.
    this.#timer = setTimeout(() => { this.#attempt = 0; }, 5_000);
    this.#call(OPEN, { isReconnect });
    this.#queue.splice(0).forEach((data) => this.send(data));
  }

  #received(message) {
    try {
      const event = decode(this.#options.prefix, message);
      if (event) this.#call(event.name, event.value, { type: event.type });
      else this.#call(MESSAGE, message);
    } catch (error) {
      this.#fail(error);
    }
  }

  #lost(code, reason) {
    clearTimeout(this.#timer);
    this.#socket = null;
    // By the codes of applications, 4000 to 4999, a server says: do not come back.
    const isFinal = this.state === "closed" || (code >= 4000 && code <= 4999);
    const willReconnect = this.#options.reconnect && !isFinal;
    const delay = willReconnect ? this.#options.delay(this.#attempt++) : 0;
    if (willReconnect) {
      this.state = "waiting";
      this.#timer = setTimeout(() => this.#connect(), delay);
    } else {
      this.#end();
    }
    this.#call(CLOSE, { code, reason, willReconnect, delay });
  }

  #end() {
    this.state = "closed";
    this.#queue = [];
    clearTimeout(this.#timer);
  }
}

const [OPEN, CLOSE, MESSAGE, ERROR] = ["open", "close", "message", "error"].map(Symbol);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const report = (error) => (globalThis.reportError ?? console.error)(error);
const text = (data) => typeof data === "string" ? data : decoder.decode(data);
const isBytes = (data) => data instanceof ArrayBuffer || ArrayBuffer.isView(data);
const bytesOf = (data) => new Uint8Array(data.buffer ?? data, data.byteOffset, data.byteLength);

// RFC 6455 §7.2.3: the first wait is random, up to 5 s; the next ones are longer and longer.
const backOff = (most) => (attempt) => attempt === 0
  ? Math.random() * Math.min(5_000, most)
  : (0.5 + Math.random() / 2) * Math.min(1_000 * 2 ** Math.min(attempt + 2, 20), most);

function checked(name) {
  if (typeof name === "string" && /^[^;]+$/.test(name)) return name;
  throw new TypeError("the name of an event is a text that is not empty and without ;");
}

function encode(prefix, name, value) {
  const [type, data] = typed(value);
  const head = `${prefix}${name};${type};`;
  if (type !== 3) return head + data;
  const start = encoder.encode(head);
  const event = new Uint8Array(start.length + data.length);
  event.set(start);
  event.set(data, start.length);
  return event;
}

function typed(value) {
  if (value === undefined) return [0, ""];
  if (typeof value === "string") return [0, value];
  if (typeof value === "boolean") return [2, value];
  if (Number.isSafeInteger(value) || is64Bits(value)) return [1, value];
  if (isBytes(value)) return [3, bytesOf(value)];
  const json = typeof value !== "number" || Number.isFinite(value) ? JSON.stringify(value) : undefined;
  if (json === undefined) throw new TypeError("JSON cannot say this value");
  return [4, json];
}

const is64Bits = (value) => typeof value === "bigint" && BigInt.asIntN(64, value) === value;

/** The event in a message, undefined for a native one. Throws what is wrong with an event. */
function decode(prefix, message) {
  const isText = typeof message === "string";
  const [all, start] = isText ? [message, prefix] : [new Uint8Array(message), encoder.encode(prefix)];
  const isEvent = isText ? all.startsWith(start) : start.every((byte, at) => byte === all[at]);
  if (!isEvent) return undefined;
  const end = all.indexOf(isText ? ";" : 0x3b, start.length);
  if (end === start.length) throw new Error("an event without a name");
  if (end < 0) throw new Error("an event without a type");
  const name = text(all.slice(start.length, end));
  const type = text(all.slice(end + 1, end + 3));
  if (!/^[0-4];$/.test(type)) throw new Error(`event ${name}: its type is not one of 0 to 4`);
  try {
    return { name, type: Number(type[0]), value: parsers[type[0]](all.slice(end + 3)) };
  } catch (cause) {
    throw new Error(`event ${name}: ${cause.message}`, { cause });
  }
}

const parsers = [text, integer, bool, bytes, (data) => JSON.parse(text(data))];

function integer(data) {
  const value = /^-?\d{1,19}$/.test(text(data)) ? BigInt(text(data)) : undefined;
  if (!is64Bits(value)) throw new Error("its data is no integer of 64 bits");
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function bool(data) {
  if (!["true", "false"].includes(text(data))) throw new Error("its data is neither true nor false");
  return text(data) === "true";
}

function bytes(data) {
  return typeof data === "string" ? encoder.encode(data) : data;
}
