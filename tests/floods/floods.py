"""Many of something: the rows of the floods."""

import select
import selectors
import time

from rows import row
from server import MIB
from wire import (
    BINARY, CONTINUATION, EOF, MASK, PING, PONG, RESET, TEXT, Peer, close_all, echoed, frame,
    header, many, noise, split,
)

FRAGMENTS = 131_072
MESSAGE = 1 << 20
ANYHOW = (EOF, RESET)
EMPTY = frame(CONTINUATION, fin=False)
# A connection has a buffer of 512 KiB for what it receives and one for what it sends.
BUFFERS = MIB


def pump(stream, block, times, expected):
    """Sends a block so many times and reads meanwhile, and until so many bytes have come or the
    server has hung up: what came."""
    view, sent, all_bytes, read = memoryview(block), 0, len(block) * times, bytearray()
    stream.setblocking(False)
    with selectors.DefaultSelector() as ready:
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        ready.register(stream, both)
        while sent < all_bytes or len(read) < expected:
            events = ready.select(10)
            assert events, f"nothing moved for 10 s: {sent} bytes sent, {len(read)} read"
            mask = events[0][1]
            try:
                if mask & selectors.EVENT_READ:
                    chunk = stream.recv(MIB)
                    if not chunk:
                        break
                    read += chunk
                if mask & selectors.EVENT_WRITE:
                    sent += stream.send(view[sent % len(block) :])
            except BlockingIOError:
                continue
            except ConnectionError:
                break
            if sent == all_bytes:
                ready.modify(stream, selectors.EVENT_READ)
    stream.setblocking(True)
    stream.settimeout(10)
    return read


@row("TR11", "10⁴ (10³) connections that say nothing",
     bound=lambda quick: (1000 if quick else 10_000) * 1024 + MIB)
def idle(server, quick):
    before, count = server.usage().memory, 1000 if quick else 10_000
    peers = many(server.port, count)
    each = (server.usage().memory - before) / count
    for peer in peers[::100]:
        peer.answers()
    close_all(peers)
    return f"{each:.0f} bytes each, 1 KiB at the most; each is served"


@row("CVE-2026-48779", "131,072 one-byte fragments, never the last",
     bound=lambda quick: (5 if quick else 50) * (2 * FRAGMENTS + 65536) + BUFFERS)
def one_byte_fragments(server, quick):
    first, other = frame(BINARY, b"x", fin=False), frame(CONTINUATION, b"x", fin=False)
    all_but_one = first + other * (FRAGMENTS - 2)
    peers = many(server.port, 5 if quick else 50)
    for peer in peers:
        peer.send(all_but_one + other)
        peer.answers()
    peers[0].send(frame(CONTINUATION, b"x"))
    peers[0].fails(1008, ends=ANYHOW)
    with Peer(server.port) as peer:
        peer.send(all_but_one + frame(CONTINUATION, b"x"))
        peer.expect(BINARY, b"x" * FRAGMENTS)
    close_all(peers)
    return "all held, one more 1008, as many with an end echoed; 2 × payload + 64 KiB each"


@row("CVE-2026-12151", "empty continuations, 10⁷ (10⁶) in one message", bound=BUFFERS)
def empty_continuations(server, quick):
    with Peer(server.port) as peer:
        peer.send_some(frame(BINARY, fin=False) + EMPTY * (10**6 if quick else 10**7))
        peer.fails(1008, ends=ANYHOW)
    exact = frame(BINARY, fin=False) + EMPTY * (FRAGMENTS - 2) + frame(CONTINUATION)
    messages = 8 if quick else 77
    with Peer(server.port) as peer:
        for _ in range(messages):
            peer.send(exact)
            peer.expect(BINARY, b"")
    return f"1008 at the limit; {messages} × 131,072 with an end are {messages} empty messages"


@row("CVE-2026-42786", "limit − 1, limit, limit + 1 over fragments", bound=3 * MIB)
def limit_over_fragments(server, _):
    for size in (MESSAGE - 1, MESSAGE):
        payload = noise(size)
        with Peer(server.port) as peer:
            peer.send(frame(BINARY, payload[:1000], fin=False))
            peer.send(frame(CONTINUATION, payload[1000:-7], fin=False))
            peer.send(frame(CONTINUATION, payload[-7:]))
            peer.expect(BINARY, payload)
    with Peer(server.port) as peer:
        peer.send(frame(BINARY, bytes(MESSAGE - 7), fin=False))
        peer.answers()
        peer.send(header(CONTINUATION, 8) + MASK)
        peer.fails(1009)
    with Peer(server.port) as peer:
        peer.send_some(frame(BINARY, bytes(MESSAGE + 1)))
        peer.fails(1009, ends=ANYHOW)
    return "echoed, echoed, 1009 at the header; 1009 in one frame as well"


@row("CVE-2026-65623", "messages of 8 Ki and of 64 Ki fragments, 1 byte each", bound=BUFFERS)
def linear(server, _):
    def spent(fragments):
        first, last = frame(TEXT, b"x", fin=False), frame(CONTINUATION, b"z")
        message = first + frame(CONTINUATION, b"y", fin=False) * (fragments - 2) + last
        answer, times = b"x" + b"y" * (fragments - 2) + b"z", []
        for _ in range(10):
            with Peer(server.port) as peer:
                before = server.cpu()
                for _ in range(10):
                    peer.send(message)
                    peer.expect(TEXT, answer)
                times.append(server.cpu() - before)
        return min(times)

    # The best of some, as others need the processor as well; were it quadratic, it would be 64.
    factor = min(spent(65_536) / spent(8_192) for _ in range(3))
    assert factor <= 10, f"8 times as many took {factor:.1f} times as long"
    return f"8 times as many take {factor:.1f} ≤ 10 times the processor"


@row("CVE-2026-11586", "10⁶ (10⁵) pings of a peer that reads", bound=BUFFERS)
def pings(server, quick):
    ping, count = frame(PING, b"a ping"), 10**5 if quick else 10**6
    burst, pongs = ping * 999 + frame(PING, b"last"), 0
    with Peer(server.port) as peer:
        for _ in range(count // 1000):
            peer.send(burst)
            while (got := peer.next()) != (0x8A, b"last"):
                assert got == (0x8A, b"a ping"), f"got {got}"
                pongs += 1
    return f"the last of each 1,000 answered, and {pongs:,} others"


@row("TR9 FR35 CVE-2020-35896", "peers that read nothing and send pings, and messages of 100 kB and"
     " of 1 MiB", bound=3 * 3 * MIB)
def never_reads(server, _):
    kinds = {
        "pings": frame(PING, b"x" * 125) * 1000,
        "messages of 100 kB": frame(BINARY, bytes(100_000)),
        "messages of 1 MiB": frame(BINARY, bytes(MESSAGE)),
    }
    began, peers, taken = time.monotonic(), {}, {}
    for kind, block in kinds.items():
        peers[kind] = Peer(server.port, receive_buffer=4096, timeout=0.5)
        taken[kind] = 0
        # Each is at the same place of its block again when it was taken whole.
        took = len(block)
        while took == len(block) and taken[kind] < 200 * MIB:
            took = peers[kind].send_some(block)
            taken[kind] += took
        assert taken[kind] < 200 * MIB, f"{kind} were taken without an end"
    dropped = {}
    for kind, peer in peers.items():
        data, end = until_dropped(peer, began)
        dropped[kind] = time.monotonic() - began
        assert end == RESET, f"{kind} ended with {end}"
        codes = [payload[:2] for first, payload in split(data)[0] if first == 0x88]
        assert codes in ([], [b"\x03\xf0"]), f"{kind} were told {codes}"
    close_all(peers.values())
    assert 9 <= min(dropped.values()), f"{dropped}"
    sums = ", ".join(f"{taken[kind] >> 10} KiB of {kind}" for kind in kinds)
    times = ", ".join(f"{at:.1f}" for at in dropped.values())
    return f"{sums} taken; reset {times} s after the first began"


def until_dropped(peer, began, patience=27):
    """Waits for the end without reading, then reads what is left."""
    ready = select.poll()
    # For nothing: that it has ended is told in any case.
    ready.register(peer.stream, 0)
    events = ready.poll(1000 * (began + patience - time.monotonic()))
    assert events, f"it was not dropped in {patience} s"
    return peer.rest()


@row("CVE-2021-3690", "10⁶ pongs that nobody asked for", bound=BUFFERS)
def pongs(server, _):
    with Peer(server.port) as peer:
        for _ in range(100):
            peer.send(frame(PONG, b"x" * 20) * 5000 + frame(PONG) * 5000)
        peer.send(frame(TEXT, b"well"))
        peer.expect(TEXT, b"well")
    return "ignored, and the next message is echoed"


@row("Mesop GHSA", "10⁷ (3 × 10⁵) small messages as fast as they are taken", bound=3 * MIB)
def messages(server, quick):
    threads = server.usage().threads
    said = [b"message %d" % (number % 10) for number in range(10_000)]
    block = b"".join(frame(TEXT, text) for text in said)
    answer = b"".join(echoed(TEXT, text) for text in said)
    with Peer(server.port) as peer:
        began = time.monotonic()
        times = 30 if quick else 1000
        read = pump(peer.stream, block, times, len(answer) * times)
        rate = times * len(said) / (time.monotonic() - began)
        assert read == answer * times, "what came back is not what was sent"
        assert server.usage().threads == threads
    return f"{times * len(said):,} echoed in order, {rate:,.0f} a second; as many threads as before"


@row("CVE-2021-42340", "connect and close, 3 × 10⁴ (3 × 10³) times", bound=3 * MIB)
def churn(server, quick):
    rounds = 500 if quick else 5000
    for number in range(rounds):
        for end in range(6):
            peer = Peer(server.port, upgraded=end > 0)
            if end == 1:
                peer.send(frame(8, b"\x03\xe8"))
                peer.expect(8, b"\x03\xe8")
            elif end == 2:
                peer.send(frame(TEXT, b"bye"))
                peer.expect(TEXT, b"bye")
            elif end == 3:
                peer.send(frame(BINARY, bytes(5000), fin=False))
            elif end == 4:
                peer.reset()
                continue
            peer.stream.close()
    return f"{6 * rounds:,} in six ways; memory as before"
