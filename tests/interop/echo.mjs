// npm's ws against our examples, as their client or as their server: the command line and what is
// checked are those of echo.py.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { on, once } from 'node:events';
import { createRequire } from 'node:module';

// NODE_PATH says where ws is; only require looks there.
const WebSocket = createRequire(import.meta.url)('ws');

// Around every form of length, and up to our limit; the same in the other languages.
const SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20, 16 << 20];

// What is asked for; without it compression is offered all the same, as it is by default.
const COMPRESSION = {
  alone: { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 },
  takeover: { threshold: 0 },
  bits: { serverMaxWindowBits: 10, clientMaxWindowBits: 11, threshold: 0 },
};
const options = (compression) =>
  compression ? { perMessageDeflate: COMPRESSION[compression] } : {};

const binary = (size) => ({ data: randomBytes(size), isBinary: true });

// So many bytes, in characters of every length.
const text = (size) => ({
  data: Buffer.from('aé€🦀'.repeat(size / 10) + 'x'.repeat(size % 10)),
  isBinary: false,
});

const send = (socket, { data, isBinary }) => socket.send(data, { binary: isBinary });

async function checkEcho(socket, compression) {
  const extensions = compression ? 'permessage-deflate' : '';
  assert.equal(socket.extensions, extensions, `agreed on '${socket.extensions}'`);
  const received = on(socket, 'message', { close: ['close'] });
  const checkBack = async ({ data, isBinary }) => {
    const { value, done } = await received.next();
    const kind = `${isBinary ? 'binary' : 'text'}, ${data.length} bytes,`;
    assert(!done, `${kind} did not come back`);
    assert(value[1] === isBinary && value[0].equals(data), `${kind} came back changed`);
  };
  // Noise of 16 MiB takes long to compress.
  for (const size of compression ? SIZES.slice(0, -1) : SIZES) {
    for (const message of [binary(size), text(size)]) {
      send(socket, message);
      await checkBack(message);
    }
  }
  for (const size of [0, 1, 125]) await checkPing(socket, randomBytes(size));
  socket.pong('nobody asked');
  for (const message of [binary(1 << 20), text(1 << 20)]) {
    await sendCut(socket, message);
    await checkBack(message);
  }
  const many = [];
  for (let size = 0; size < 10_000; size += 99) many.push(binary(size), text(size));
  for (const message of many) send(socket, message);
  for (const message of many) await checkBack(message);
}

async function checkPing(socket, payload) {
  socket.ping(payload);
  const [pong] = await once(socket, 'pong');
  assert(pong.equals(payload), `ping of ${payload.length} bytes was answered with another pong`);
}

// Fragments, inside characters too; between them, pings that are answered at once.
async function sendCut(socket, { data, isBinary }) {
  for (let start = 0; start < data.length; start += 99_999) {
    const end = start + 99_999;
    socket.send(data.subarray(start, end), { binary: isBinary, fin: end >= data.length });
    if (end < data.length) await checkPing(socket, randomBytes(4));
  }
}

// Waits until the peer has closed with this code, and a reason with this word in it.
async function checkClosed(socket, code, word = '') {
  const [got, reason] = await once(socket, 'close');
  assert(got === code && reason.includes(word), `closed with ${got} '${reason}'`);
}

async function checkClose(socket) {
  socket.close(4000, 'enough');
  await checkClosed(socket, 4000);
}

async function client(url, compression) {
  const socket = new WebSocket(url, options(compression));
  await once(socket, 'open');
  await checkEcho(socket, compression);
  await checkClose(socket);
  const another = new WebSocket(url);
  await once(another, 'open');
  send(another, { data: Buffer.of(0xff), isBinary: false });
  await checkClosed(another, 1007, 'UTF-8');
  return 'every message came back; both sides closed';
}

const serve = {
  async check(socket, compression) {
    await checkEcho(socket, compression);
    await checkClose(socket);
    return 'every message came back; we closed';
  },
  async invalid(socket) {
    send(socket, { data: Buffer.of(0xff), isBinary: false });
    await checkClosed(socket, 1007, 'UTF-8');
    return 'text that is not UTF-8 was refused';
  },
  async drop(socket) {
    socket.send('before');
    await once(socket, 'message');
    socket.terminate();
    return 'we went without a close frame';
  },
  async echo(socket) {
    socket.on('message', (data, isBinary) => send(socket, { data, isBinary }));
    await checkClosed(socket, 1000);
    return 'the client closed';
  },
};

async function server(how = 'check', compression) {
  const listener = new WebSocket.Server({ host: '127.0.0.1', port: 0, ...options(compression) });
  await once(listener, 'listening');
  const { address, port } = listener.address();
  console.log(`listening on ws://${address}:${port}/`);
  const [socket] = await once(listener, 'connection');
  const summary = await serve[how](socket, compression);
  listener.close();
  return summary;
}

const [role, ...rest] = process.argv.slice(2);
try {
  console.log(await { client, server }[role](...rest));
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exit(1);
}
