// The browser client of wsserver without a browser.
//
// Usage: node --test tests/browser/events.test.mjs    with Node 20 or later

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

// As a data URL it is a module for every Node, without a package.json beside it.
const source = readFileSync(new URL("../../wsserver/src/browser/events.js", import.meta.url), "utf8");
const { Events } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const prefixes = ["m:", "iris-websocket-message:"];
const utf8 = (text) => new TextEncoder().encode(text);
const frame = (...parts) => Uint8Array.from(parts.flatMap((part) => [...(typeof part === "string" ? utf8(part) : part)]));

/** A socket that does what the test says, and keeps what is sent. */
class Socket {
  static all = [];
  static get last() { return Socket.all.at(-1); }
  readyState = 0;
  sent = [];

  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    Socket.all.push(this);
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  receive(data) { this.onmessage({ data: typeof data === "string" ? data : data.buffer }); }

  send(data) {
    assert.equal(this.readyState, 1, "nothing is given to a socket that is not open");
    this.sent.push(data);
  }

  close(code, reason) {
    if (code !== 1000 && !(code >= 3000 && code <= 4999)) throw new Error("InvalidAccessError");
    this.readyState = 2;
    this.asked = { code, reason };
  }

  lose(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason, wasClean: code !== 1006 });
  }
}

const make = (options) => new Events("ws://host/ws", { WebSocket: Socket, delay: () => 10, ...options });

/** Events over a socket that is open, and all that the handlers were told. */
function opened(options) {
  const events = make(options);
  const told = [];
  events.onMessage((data) => told.push(["message", data]));
  events.onError((error) => told.push(["error", error]));
  Socket.last.open();
  return { events, told, socket: Socket.last };
}

beforeEach(() => {
  Socket.all = [];
  mock.timers.enable({ apis: ["setTimeout"] });
});
afterEach(() => mock.timers.reset());

const values = [
  ["a string", "hello", "0;hello"],
  ["an empty string", "", "0;"],
  ["a string with semicolons, a line and more than ASCII", "a;b;\n<ö>😀", "0;a;b;\n<ö>😀"],
  ["a string that begins with a byte order mark", "\ufeffa", "0;\ufeffa"],
  ["an integer", 42, "1;42"],
  ["zero", 0, "1;0"],
  ["a negative integer", -7, "1;-7"],
  ["the largest safe integer", Number.MAX_SAFE_INTEGER, "1;9007199254740991"],
  ["the largest integer", 2n ** 63n - 1n, "1;9223372036854775807"],
  ["the smallest integer", -(2n ** 63n), "1;-9223372036854775808"],
  ["an integer that is just not safe", 2n ** 53n, "1;9007199254740992"],
  ["true", true, "2;true"],
  ["false", false, "2;false"],
  ["an object", { a: [1, "x;y"] }, '4;{"a":[1,"x;y"]}'],
  ["an array", [1, null, "z"], '4;[1,null,"z"]'],
  ["null", null, "4;null"],
  ["a number with a fraction", 1.5, "4;1.5"],
];

describe("values, both ways", () => {
  for (const prefix of prefixes) {
    for (const [name, value, wire] of values) {
      test(`${name}, ${prefix}`, () => {
        const { events, told, socket } = opened({ prefix });
        events.on("ev ent", (got, { type }) => told.push([got, type]));
        events.emit("ev ent", value);
        assert.deepEqual(socket.sent, [`${prefix}ev ent;${wire}`]);
        socket.receive(`${prefix}ev ent;${wire}`);
        socket.receive(utf8(`${prefix}ev ent;${wire}`));
        assert.deepEqual(told, Array(2).fill([value, Number(wire[0])]));
      });
    }

    test(`bytes, ${prefix}`, () => {
      const { events, told, socket } = opened({ prefix });
      events.on("b", (got, { type }) => told.push([got, type]));
      const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
      const wire = frame(`${prefix}b;3;`, bytes);
      for (const value of [bytes, bytes.buffer, frame([9], bytes).subarray(1), new DataView(bytes.buffer)]) {
        events.emit("b", value);
      }
      assert.deepEqual(socket.sent, Array(4).fill(wire));
      events.emit("b", new Uint8Array());
      assert.deepEqual(socket.sent[4], utf8(`${prefix}b;3;`));
      socket.receive(wire);
      socket.receive(`${prefix}b;3;aö`);
      socket.receive(utf8(`${prefix}b;3;`));
      assert.deepEqual(told, [[bytes, 3], [utf8("aö"), 3], [new Uint8Array(), 3]]);
    });

    test(`what does not start with ${prefix} is native`, () => {
      const { events, told, socket } = opened({ prefix });
      const natives = ["", "hello", prefix.slice(0, -1), ` ${prefix}a;0;b`, prefix.toUpperCase()];
      natives.forEach((native) => socket.receive(native));
      natives.forEach((native) => socket.receive(utf8(native)));
      assert.deepEqual(told, [
        ...natives.map((native) => ["message", native]),
        ...natives.map((native) => ["message", utf8(native).buffer]),
      ]);
      events.send("native");
      events.send(utf8("bytes"));
      assert.deepEqual(socket.sent, ["native", utf8("bytes")]);
    });
  }

  test("more values that are sent one way", () => {
    const { events, socket } = opened();
    [undefined, 7n, -0, 2 ** 53, 1e300].forEach((value) => events.emit("v", value));
    assert.deepEqual(socket.sent,
      ["m:v;0;", "m:v;1;7", "m:v;1;0", "m:v;4;9007199254740992", "m:v;4;1e+300"]);
  });

  test("values that are refused", () => {
    const { events, socket } = opened();
    const loop = {};
    loop.loop = loop;
    for (const value of [2n ** 63n, -(2n ** 63n) - 1n, NaN, -Infinity, Symbol("x"), () => 1, loop, [1n]]) {
      assert.throws(() => events.emit("v", value));
    }
    for (const name of ["", "a;b", ";", undefined, 5]) {
      assert.throws(() => events.emit(name, 1), /name of an event/);
      assert.throws(() => events.on(name, () => {}), /name of an event/);
    }
    assert.deepEqual(socket.sent, []);
  });
});

const malformed = [
  ["nothing behind the prefix", "", /without a type/],
  ["only a name", "chat", /without a type/],
  ["an empty name", ";0;x", /without a name/],
  ["no type", "chat;", /chat: its type/],
  ["no semicolon behind the type", "chat;0", /chat: its type/],
  ["an unknown type", "chat;5;x", /chat: its type/],
  ["a type of two digits", "chat;10;x", /chat: its type/],
  ["a type that is no digit", "chat;a;x", /chat: its type/],
  ["an empty integer", "n;1;", /n: .*integer/],
  ["an integer with a plus sign", "n;1;+1", /n: .*integer/],
  ["an integer with a space", "n;1; 1", /n: .*integer/],
  ["an integer and a line end", "n;1;1\n", /n: .*integer/],
  ["an integer with a fraction", "n;1;1.0", /n: .*integer/],
  ["a hexadecimal integer", "n;1;0x10", /n: .*integer/],
  ["an integer above 64 bits", "n;1;9223372036854775808", /n: .*integer/],
  ["an integer below 64 bits", "n;1;-9223372036854775809", /n: .*integer/],
  ["a very long integer", `n;1;${"9".repeat(100_000)}`, /n: .*integer/],
  ["an empty bool", "b;2;", /b: .*true nor false/],
  ["a bool in capitals", "b;2;True", /b: .*true nor false/],
  ["a bool as a digit", "b;2;1", /b: .*true nor false/],
  ["empty JSON", "j;4;", /j: .*JSON/],
  ["bad JSON", "j;4;{a:1}", /j: .*JSON/],
];

describe("malformed events", () => {
  for (const prefix of prefixes) {
    for (const [name, wire, problem] of malformed) {
      test(`${name}, ${prefix}`, () => {
        const { events, told, socket } = opened({ prefix });
        for (const event of ["chat", "n", "b", "j"]) events.on(event, () => assert.fail("handler called"));
        socket.receive(prefix + wire);
        socket.receive(utf8(prefix + wire));
        assert.equal(told.length, 2);
        for (const [kind, error] of told) {
          assert.equal(kind, "error");
          assert.ok(error instanceof Error);
          assert.match(error.message, problem);
        }
        socket.receive("goes on");
        assert.deepEqual(told[2], ["message", "goes on"]);
      });
    }
  }

  test("bytes that are no UTF-8, in the name, the type or the data", () => {
    const { told, socket } = opened();
    socket.receive(frame("m:", [0xff], ";0;x"));
    socket.receive(frame("m:a;", [0xff], ";x"));
    for (const type of "0124") socket.receive(frame(`m:a;${type};`, [0xff]));
    assert.deepEqual(told.map(([kind]) => kind), Array(6).fill("error"));
  });

  test("without an error handler they are reported", (context) => {
    const reported = [];
    globalThis.reportError = (error) => reported.push(error.message);
    context.after(() => delete globalThis.reportError);
    make();
    Socket.last.open();
    Socket.last.receive("m:a");
    assert.deepEqual(reported, ["an event without a type"]);
  });
});

describe("handlers", () => {
  test("are called in order until they are removed", () => {
    const { events, socket } = opened();
    const calls = [];
    const first = (value) => calls.push(`first ${value}`);
    const remove = events.on("a", first);
    events.on("a", (value) => calls.push(`second ${value}`));
    events.on("a", first);
    socket.receive("m:a;0;x");
    assert.deepEqual(calls.splice(0), ["first x", "second x", "first x"]);
    remove();
    remove();
    socket.receive("m:a;0;y");
    socket.receive("m:unknown;0;y");
    assert.deepEqual(calls, ["second y", "first y"]);
  });

  test("may remove themselves and others while they are called", () => {
    const { events, socket } = opened();
    const calls = [];
    const removers = [1, 2].map((which) => events.on("a", () => {
      calls.push(which);
      removers.forEach((remove) => remove());
    }));
    socket.receive("m:a;0;");
    socket.receive("m:a;0;");
    assert.deepEqual(calls, [1, 2]);
  });

  test("that throw do not keep the others from being called", () => {
    const { events, told, socket } = opened();
    events.on("a", () => { throw new Error("oh"); });
    events.on("a", (value) => told.push(value));
    socket.receive("m:a;0;x");
    assert.equal(told[0][1].message, "oh");
    assert.equal(told[1], "x");
  });

  test("of errors may throw, too", (context) => {
    const reported = [];
    globalThis.reportError = (error) => reported.push(error.message);
    context.after(() => delete globalThis.reportError);
    const { events, told, socket } = opened();
    events.onError(() => { throw new Error("again"); });
    events.onError(() => told.push("last"));
    socket.receive("m:;0;x");
    assert.deepEqual(reported, ["again"]);
    assert.equal(told[1], "last");
  });

  test("names of events that objects have are plain names", () => {
    const { events, told, socket } = opened();
    socket.receive("m:__proto__;0;x");
    socket.receive("m:constructor;0;x");
    events.on("toString", (value) => told.push(value));
    socket.receive("m:toString;0;x");
    assert.deepEqual(told, ["x"]);
  });
});

describe("the queue", () => {
  test("keeps the order, and what onOpen sends comes first", () => {
    const events = make();
    events.onOpen(({ isReconnect }) => events.emit("hello", isReconnect));
    events.emit("a", 1);
    events.send("native");
    const bytes = utf8("x");
    events.send(bytes);
    bytes.fill(0);
    Socket.last.open();
    events.emit("b", 2);
    assert.deepEqual(Socket.last.sent, ["m:hello;2;false", "m:a;1;1", "native", utf8("x"), "m:b;1;2"]);
    Socket.last.lose();
    events.emit("c", 3);
    mock.timers.tick(10);
    events.emit("d", 4);
    Socket.last.open();
    assert.deepEqual(Socket.last.sent, ["m:hello;2;true", "m:c;1;3", "m:d;1;4"]);
  });

  test("takes what is sent while the server closes", () => {
    const { events, socket } = opened();
    socket.readyState = 2;
    events.emit("a", 1);
    socket.lose(1001);
    mock.timers.tick(10);
    Socket.last.open();
    assert.deepEqual(Socket.last.sent, ["m:a;1;1"]);
  });

  test("has a limit", () => {
    const events = make();
    for (let count = 0; count < 100; count += 1) events.emit("a", count);
    assert.throws(() => events.emit("a", 100), /too many/);
    Socket.last.open();
    assert.equal(Socket.last.sent.length, 100);
    const none = make({ queueLimit: 0 });
    assert.throws(() => none.emit("a"), /too many/);
  });
});

describe("reconnecting", () => {
  for (const code of [1000, 1001, 1005, 1006, 1008, 1011, 1012, 1013, 1015, 3000, 3999]) {
    test(`after ${code}`, () => {
      const { events, socket } = opened();
      const told = [];
      events.onClose((about) => told.push(about));
      events.onOpen((about) => told.push(about));
      socket.lose(code, "why");
      assert.equal(events.state, "waiting");
      assert.deepEqual(told, [{ code, reason: "why", willReconnect: true, delay: 10 }]);
      mock.timers.tick(9);
      assert.equal(Socket.all.length, 1);
      mock.timers.tick(1);
      assert.equal(Socket.all.length, 2);
      assert.equal(events.state, "connecting");
      Socket.last.open();
      assert.equal(events.state, "open");
      assert.deepEqual(told[1], { isReconnect: true });
    });
  }

  for (const [why, code, options] of [
    ["4000", 4000], ["4999", 4999], ["1006 with reconnect: false", 1006, { reconnect: false }],
  ]) {
    test(`not after ${why}`, () => {
      const { events, socket } = opened(options);
      const told = [];
      events.onClose((about) => told.push(about));
      socket.lose(code);
      assert.deepEqual(told, [{ code, reason: "", willReconnect: false, delay: 0 }]);
      assert.equal(events.state, "closed");
      assert.throws(() => events.emit("a"), /closed/);
      mock.timers.tick(1_000_000);
      assert.equal(Socket.all.length, 1);
    });
  }

  test("attempts are counted, and counted anew after a connection of five seconds", () => {
    const attempts = [];
    make({ delay: (attempt) => (attempts.push(attempt), 1) });
    const lose = (after) => {
      if (after !== undefined) Socket.last.open();
      mock.timers.tick(after ?? 0);
      Socket.last.lose();
      mock.timers.tick(1);
    };
    [undefined, undefined, 4_999, undefined, 5_000, undefined, 0].forEach(lose);
    assert.deepEqual(attempts, [0, 1, 2, 3, 0, 1, 2]);
  });

  for (const [name, random, maxDelay, expected] of [
    ["the shortest", 0, undefined, [0, 4_000, 8_000, 16_000, 30_000, 30_000]],
    ["the longest", 1, undefined, [5_000, 8_000, 16_000, 32_000, 60_000, 60_000]],
    ["a maximum of two seconds", 1, 2_000, [2_000, 2_000, 2_000]],
  ]) {
    test(`delays are random and grow: ${name}`, (context) => {
      context.mock.method(Math, "random", () => random);
      const events = make({ delay: undefined, maxDelay });
      const delays = [];
      events.onClose(({ delay }) => delays.push(delay));
      expected.forEach((delay) => {
        Socket.last.lose();
        mock.timers.tick(delay);
      });
      assert.deepEqual(delays, expected);
      assert.equal(Socket.all.length, expected.length + 1);
    });
  }

  test("without a maximum a delay is still one that a timer can wait", (context) => {
    context.mock.method(Math, "random", () => 1);
    const events = make({ delay: undefined, maxDelay: Infinity });
    let longest = 0;
    events.onClose(({ delay }) => { longest = delay; });
    for (let count = 0; count < 2_000; count += 1) {
      Socket.last.lose();
      mock.timers.tick(longest);
    }
    assert.ok(longest < 2 ** 31);
  });
});

describe("closing for good", () => {
  const closed = { code: 1000, reason: "", willReconnect: false, delay: 0 };

  test("while open", () => {
    const { events, socket } = opened();
    const told = [];
    events.onClose((about) => told.push(about));
    events.close(4001, "bye");
    events.close();
    assert.deepEqual(socket.asked, { code: 4001, reason: "bye" });
    assert.equal(events.state, "closed");
    assert.throws(() => events.emit("a"), /closed/);
    assert.throws(() => events.send("a"), /closed/);
    socket.lose(1000);
    mock.timers.tick(1_000_000);
    assert.deepEqual(told, [closed]);
    assert.equal(Socket.all.length, 1);
  });

  test("while connecting, and what waited is not sent", () => {
    const events = make();
    events.emit("a");
    events.close();
    Socket.last.lose();
    mock.timers.tick(1_000_000);
    assert.equal(events.state, "closed");
    assert.deepEqual(Socket.all.map(({ sent }) => sent), [[]]);
  });

  test("while waiting", () => {
    const { events, socket } = opened();
    socket.lose();
    const told = [];
    events.onClose((about) => told.push(about));
    events.close();
    mock.timers.tick(1_000_000);
    assert.deepEqual(told, [closed]);
    assert.equal(Socket.all.length, 1);
  });

  test("in a handler of the loss", () => {
    const { events, socket } = opened();
    const told = [];
    events.onClose((about) => {
      told.push(about.willReconnect);
      events.close();
    });
    socket.lose();
    mock.timers.tick(1_000_000);
    assert.deepEqual(told, [true, false]);
    assert.equal(Socket.all.length, 1);
  });

  test("in a handler of the opening, and what waited is not sent", () => {
    const events = make();
    events.onOpen(() => events.close());
    events.emit("a");
    Socket.last.open();
    assert.deepEqual(Socket.last.sent, []);
  });

  test("with a code that is not allowed changes nothing", () => {
    const { events } = opened();
    assert.throws(() => events.close(1006));
    assert.equal(events.state, "open");
  });
});

describe("addresses", () => {
  for (const [page, url, expected] of [
    ["http://host:81/a/b?c#d", "/ws?name=a", "ws://host:81/ws?name=a"],
    ["https://host/a/b", "ws", "wss://host/a/ws"],
    ["https://host/", "wss://other:8443/x", "wss://other:8443/x"],
    ["https://host/", "http://other/x", "ws://other/x"],
    [undefined, "https://other/x", "wss://other/x"],
  ]) {
    test(`${url} on ${page}`, (context) => {
      globalThis.location = page && { href: page };
      context.after(() => delete globalThis.location);
      const events = new Events(url, { WebSocket: Socket, protocols: ["chat"] });
      assert.equal(events.url, expected);
      assert.equal(events.state, "connecting");
      assert.deepEqual([Socket.last.url, Socket.last.protocols], [expected, ["chat"]]);
      assert.equal(Socket.last.binaryType, "arraybuffer");
    });
  }
});
