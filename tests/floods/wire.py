"""Frames, and peers that send what they like."""

import os
import socket
import struct
import time

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
MASK = b"\x37\xfa\x21\x3d"
# What ends a connection without more bytes.
EOF, RESET, SILENCE = "end", "reset", "silence"


def header(opcode, length, fin=True, rsv=0, masked=True):
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if masked else 0
    if length < 126:
        return struct.pack(">BB", first, bit | length)
    if length < 1 << 16:
        return struct.pack(">BBH", first, bit | 126, length)
    return struct.pack(">BBQ", first, bit | 127, length)


def masked(payload):
    key = (MASK * (len(payload) // 4 + 1))[: len(payload)]
    both = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return both.to_bytes(len(payload), "big")


def frame(opcode, payload=b"", fin=True, rsv=0):
    """A frame of a client."""
    return header(opcode, len(payload), fin, rsv) + MASK + masked(payload)


def echoed(opcode, payload):
    """The same of the server."""
    return header(opcode, len(payload), masked=False) + payload


def close_frame(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


def first_of(data, at=0):
    """The first byte of the frame at this place, and where its payload is, if it is whole."""
    if len(data) < at + 2:
        return None
    length, start = data[at + 1], at + 2
    if length in (126, 127):
        size = 2 if length == 126 else 8
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if len(data) < max(start, start + length):
        return None
    return data[at], start, start + length


def split(data):
    """The frames of a server, as (first byte, payload), and what is behind them."""
    frames, at = [], 0
    while (found := first_of(data, at)) is not None:
        first, start, at = found
        frames.append((first, bytes(data[start:at])))
    return frames, bytes(data[at:])


class Peer:
    """A client. It upgrades at once, unless told not to."""

    def __init__(self, port, upgraded=True, receive_buffer=None, timeout=10):
        self.stream = socket.socket()
        if receive_buffer:
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.stream.settimeout(timeout)
        self.stream.connect(("127.0.0.1", port))
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        if upgraded:
            self.stream.sendall(REQUEST)
            self.upgrade()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def upgrade(self):
        answer = self.head()
        assert answer.startswith(b"HTTP/1.1 101 ") and ACCEPT in answer, f"answered {answer!r}"

    def head(self):
        """The answer to the request, or what there was of one."""
        while b"\r\n\r\n" not in self.received:
            chunk = self.stream.recv(4096)
            if not chunk:
                break
            self.received += chunk
        answer, between, rest = bytes(self.received).partition(b"\r\n\r\n")
        self.received = bytearray(rest)
        return answer + between

    def send(self, data):
        self.stream.sendall(data)

    def send_some(self, data):
        """Sends until the server has had enough: how much it took."""
        view, sent = memoryview(data), 0
        try:
            while sent < len(data):
                sent += self.stream.send(view[sent : sent + (1 << 20)])
        except (ConnectionError, TimeoutError):
            pass
        return sent

    def next(self):
        """The next frame, as (first byte, payload)."""
        while (found := first_of(self.received)) is None:
            chunk = self.stream.recv(1 << 20)
            assert chunk, "the server hung up"
            self.received += chunk
        first, start, end = found
        payload = bytes(self.received[start:end])
        del self.received[:end]
        return first, payload

    def expect(self, opcode, payload):
        first, got = self.next()
        same = (first, got) == (0x80 | opcode, payload)
        assert same, f"expected {payload[:20]!r}…, got {first:#x} {got[:20]!r}…"

    def answers(self, payload=b"still here?"):
        """Asserts that it is alive."""
        self.send(frame(PING, payload))
        self.expect(PONG, payload)

    def rest(self, timeout=10):
        """All that still comes, and how it ends."""
        until = time.monotonic() + timeout
        while (left := until - time.monotonic()) > 0:
            self.stream.settimeout(left)
            try:
                chunk = self.stream.recv(1 << 20)
            except TimeoutError:
                break
            except ConnectionError:
                return bytes(self.received), RESET
            if not chunk:
                return bytes(self.received), EOF
            self.received += chunk
        return bytes(self.received), SILENCE

    def fails(self, code, before=0, ends=(EOF,), timeout=10):
        """Asserts that all that comes is so many frames, one Close with this code, and the end."""
        data, end = self.rest(timeout)
        frames, behind = split(data)
        told = [int.from_bytes(payload[:2], "big") for first, payload in frames if first == 0x88]
        right = told == [code] and frames[-1][0] == 0x88 and not behind and end in ends
        said = f"{len(frames)} frames, Close {told}, {len(behind)} bytes behind, {end}"
        assert right and len(frames) == before + 1, f"expected Close {code}, got {said}"
        assert len(frames[-1][1]) <= 125 and frames[-1][1][2:].decode() is not None

    def reset(self):
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.close()


def many(port, count, **options):
    return [Peer(port, **options) for _ in range(count)]


def close_all(peers):
    for peer in peers:
        peer.stream.close()


def noise(length):
    return os.urandom(length)
