"""Much that is announced or begun, and not ended: the rows of what is held."""

import time

from floods import BUFFERS, MESSAGE
from rows import row
from server import MIB
from wire import BINARY, CONTINUATION, MASK, PING, Peer, close_all, frame, header, many, noise

# What may be held of all messages that are not whole.
HELD = 256 * MIB


def hold(server, count, part, waiting=False):
    """Has so many begin a message that has no end, one after the other, or all while the server is
    held up: all, those that still hold theirs, and the others, which were told 1013."""
    message, ping = frame(BINARY, noise(part), fin=False), frame(PING, b"?")
    peers = many(server.port, count)
    kept, told = [], []

    def ask(peer):
        # One that was given up may have answered the ping before that, and takes no other.
        for _ in range(2):
            peer.send_some(ping)
            try:
                first, payload = peer.next()
            except (ConnectionError, AssertionError) as error:
                first, payload = str(error), b""
            if first != 0x8A:
                assert payload[:2] == (1013).to_bytes(2, "big"), f"told {first} {payload!r}"
                return told.append(peer)
        kept.append(peer)

    if waiting:
        with server.stopped():
            for peer in peers:
                peer.stream.setblocking(False)
                # As much as the system takes on its own.
                peer.sent = peer.stream.send(message)
                peer.stream.settimeout(10)
    for peer in peers:
        peer.send_some(message[peer.sent :] if waiting else message)
        if not waiting:
            ask(peer)
    if waiting:
        for peer in peers:
            ask(peer)
    return peers, kept, told


@row("ws #2331", "connections that each hold 900 KB of a message", bound=HELD + 8 * MIB)
def held(server, quick):
    part = 900_000
    peers, kept, told = hold(server, 400 if quick else 1000, part)
    # Each is held in a buffer of 1 MiB.
    assert (HELD - 2 * MIB) // MIB <= len(kept) <= HELD // part, f"{len(kept)} were kept"
    assert kept == peers[: len(kept)], "not the newest were told"
    for peer in kept[:3]:
        peer.send(frame(CONTINUATION))
        assert len(peer.next()[1]) == part
    with Peer(server.port) as late:
        late.send(frame(BINARY, bytes(part)))
        late.expect(BINARY, bytes(part))
    counts = f"{len(kept)} held, the newest {len(told)} told 1013"
    close_all(peers)
    return f"{counts}; those held can end, and others are served"


@row("ws #2331, at once", "the same, all received while the server was held up",
     bound=HELD + 8 * MIB)
def held_at_once(server, quick):
    peers, kept, told = hold(server, 400 if quick else 1000, 900_000, waiting=True)
    assert len(kept) <= HELD // 900_000, f"{len(kept)} were kept"
    close_all(peers)
    return f"{len(kept)} held, {len(told)} told 1013"


@row("ws #2331, 530 KiB", "the same with 530 KiB, the worst for buffers that double",
     bound=HELD + 8 * MIB)
def held_half(server, _):
    peers, kept, told = hold(server, 520, 530 * 1024)
    close_all(peers)
    return f"{len(kept)} held, {len(told)} told 1013"


@row("ws #2331, again", "1,000 connections that each hold 132 KiB of a message, four times",
     bound=HELD + 8 * MIB)
def held_again(server, _):
    for _ in range(4):
        base = server.usage()
        peers, kept, told = hold(server, 1000, 132 * 1024)
        close_all(peers)
        assert not told, f"{len(told)} were told 1013 below the budget"
        until = time.monotonic() + 5
        while server.usage().descriptors > base.descriptors and time.monotonic() < until:
            time.sleep(0.02)
    return "129 MiB held each time, as the budget allows"


@row("CVE-2022-35922", "1,000 peers that announce much and send nothing of it",
     bound=lambda _: 1000 * 2048 + BUFFERS)
def announced(server, _):
    for length in (MESSAGE + 1, 1 << 32, (1 << 62), (1 << 63) - 1):
        with Peer(server.port) as peer:
            peer.send(header(BINARY, length) + MASK)
            peer.fails(1009)
    peers = many(server.port, 1000)
    for peer in peers:
        peer.send(header(BINARY, MESSAGE) + MASK)
    peers[-1].send(bytes(10))
    peers[0].send(masked_rest := bytes(MESSAGE))
    assert len(peers[0].next()[1]) == len(masked_rest)
    close_all(peers)
    return "over the limit 1009 at the header; at the limit 2 KiB each"


@row("CVE-2026-33219", "1,000 requests of 15 KiB without an end", bound=lambda _: 1000 * 36 * 1024)
def requests(server, _):
    line = b"X-Some-Header: " + b"v" * 1000 + b"\r\n"
    peers = many(server.port, 1000, upgraded=False)
    for peer in peers:
        peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + line * 15)
    with Peer(server.port) as other:
        other.answers()
    peers[0].send(line * 2)
    answer = peers[0].head()
    assert answer.startswith(b"HTTP/1.1 431 "), f"answered {answer[:40]!r}"
    close_all(peers)
    return "36 KiB each; 431 at 16 KiB; others are let in"
