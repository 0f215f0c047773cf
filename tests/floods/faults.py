"""Bad bytes, and what goes wrong below: the rows of the transport."""

import struct
import time

from floods import ANYHOW
from rows import row
from server import MIB
from wire import (
    BINARY, CLOSE, CONTINUATION, EOF, MASK, PING, PONG, REQUEST, TEXT, Peer, close_all, close_frame,
    echoed, frame, header, many,
)

OPEN = frame(TEXT, b"a", fin=False)


def bad_bytes():
    """What is wrong, where, and the code that it is told."""
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for fin in (False, True):
            yield f"opcode {opcode}", header(opcode, 0, fin) + MASK, 1002
    for rsv in range(1, 8):
        for opcode in (TEXT, BINARY, CLOSE, PING, PONG):
            yield f"RSV {rsv} on {opcode}", frame(opcode, rsv=rsv), 1002
        yield f"RSV {rsv} on a continuation", OPEN + frame(CONTINUATION, b"b", rsv=rsv), 1002
    for opcode in (TEXT, BINARY, CLOSE, PING, PONG):
        for payload in (b"", b"\x03\xe8"):
            yield f"unmasked {opcode}", echoed(opcode, payload), 1002
    for length in (0, 125):
        yield f"{length} in 16 bits", struct.pack(">BBH", 0x82, 0xFE, length), 1002
    for length in (0, 126, 65535, 1 << 63, (1 << 64) - 1):
        yield f"{length} in 64 bits", struct.pack(">BBQ", 0x82, 0xFF, length), 1002
    for length in (1 << 32, (1 << 32) - 1, (1 << 63) - 1, (1 << 63) - 14):
        yield f"{length} bytes", header(BINARY, length) + MASK, 1009
    for opcode in (CLOSE, PING, PONG):
        yield f"control {opcode} in parts", frame(opcode, fin=False), 1002
        yield f"control {opcode} of 126", header(opcode, 126) + MASK, 1002
        yield f"control {opcode} of 65536", header(opcode, 65536) + MASK, 1002
    for fin in (False, True):
        yield "a continuation of nothing", frame(CONTINUATION, b"x", fin), 1002
        yield "a message within a message", OPEN + frame(BINARY, b"x", fin), 1002
    yield "Close of 1 byte", frame(CLOSE, b"\x03"), 1002
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        yield f"Close {code}", close_frame(code), 1002
    for text in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98"):
        yield f"Close with {text}", close_frame(1000, b"x" * 20 + text), 1007
        yield f"text with {text}", frame(TEXT, b"x" * 20 + text), 1007
        yield f"parts with {text}", OPEN + frame(CONTINUATION, text), 1007
    bad_byte = bytes((0xFF ^ MASK[0],))
    yield "a bad byte, and the rest not sent", header(TEXT, 9) + MASK + bad_byte, 1007


@row("FR1–FR18", "bad bytes of every kind, whole and byte by byte, with a good message behind",
     bound=MIB)
def bad(server, quick):
    kinds = list(bad_bytes())
    for name, said, code in kinds:
        for by_byte in (False, True):
            with Peer(server.port) as peer:
                try:
                    if by_byte:
                        for at in range(len(said)):
                            peer.send(said[at : at + 1])
                    else:
                        peer.send(said if "not sent" in name else said + frame(TEXT, b"behind"))
                    peer.fails(code, ends=(EOF,))
                except (AssertionError, OSError) as error:
                    way = "byte by byte" if by_byte else "whole"
                    raise AssertionError(f"{name}, {way}: {error}") from error
    good = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
    for code in good:
        with Peer(server.port) as peer:
            peer.send(close_frame(code, b"why") + frame(TEXT, b"behind"))
            peer.fails(code)
    with Peer(server.port) as peer:
        peer.send(frame(CLOSE) + frame(PING))
        data, end = peer.rest()
        assert data in (b"\x88\x00", b"\x88\x02\x03\xe8") and end == EOF, f"{data} {end}"
    return (f"{len(kinds)} kinds: one Close, the right code, nothing behind;"
            f" {len(good)} good codes echoed")


@row("TR14", "peers that never hang up behind the Close; some go on sending")
def never_hang_up(server, _):
    peers = many(server.port, 20)
    began = time.monotonic()
    for number, peer in enumerate(peers):
        peer.send(b"\xff\xff")
        if number % 2:
            peer.send_some(bytes(10 * MIB))
        peer.fails(1002, ends=ANYHOW)
    while not all(gone(peer) for peer in peers):
        assert time.monotonic() < began + 3, "some were not closed in 3 s"
        time.sleep(0.05)
    took = time.monotonic() - began
    close_all(peers)
    return f"Close 1002, all gone after {took:.1f} s though they never hung up"


def gone(peer):
    """Whether the other side has closed: what is sent there is answered by a reset."""
    try:
        peer.send(b"x")
        return False
    except ConnectionError:
        return True


@row("TR3 HS37", "the end of the stream in each byte of a request, of frames, and of a message")
def ends_anywhere(server, _):
    for at in range(len(REQUEST)):
        with Peer(server.port, upgraded=False) as peer:
            peer.send(REQUEST[:at])
            peer.stream.shutdown(1)
            data, end = peer.rest()
            assert (data, end) == (b"", EOF), f"at {at} of the request: {data[:40]!r}, {end}"
    whole = frame(TEXT, b"one") + frame(TEXT, b"x" * 200, fin=False) + frame(CONTINUATION, b"end")
    for at in range(len(whole)):
        with Peer(server.port) as peer:
            peer.send(whole[:at])
            peer.stream.shutdown(1)
            data, end = peer.rest()
            expected = echoed(TEXT, b"one") if at >= len(frame(TEXT, b"one")) else b""
            assert (data, end) == (expected, EOF), f"at {at}: {data[:40]!r}, {end}"
    return f"{len(REQUEST) + len(whole)} places: what was whole is answered, nothing else"


@row("TR4", "half-close behind messages, by one that reads later", bound=6 * MIB)
def half_close(server, _):
    with Peer(server.port) as peer:
        peer.send(frame(TEXT, b"said") * 1000)
        peer.stream.shutdown(1)
        time.sleep(0.2)
        data, end = peer.rest()
        assert data == echoed(TEXT, b"said") * 1000 and end == EOF, f"{len(data)} bytes, {end}"
    with Peer(server.port, receive_buffer=4096) as peer:
        size = 900_000
        peer.send(frame(BINARY, bytes(size)) * 4)
        peer.stream.shutdown(1)
        time.sleep(1)
        data, end = peer.rest()
        assert data == echoed(BINARY, bytes(size)) * 4 and end == EOF, f"{len(data)} bytes, {end}"
    return "all answered, then the end; also where the answers had to wait"


@row("TR5", "a reset at each step", bound=12 * MIB)
def resets(server, quick):
    def before_the_request(peer):
        pass

    def within_the_request(peer):
        peer.send(REQUEST[:50])

    def before_the_answer(peer):
        peer.send(REQUEST)

    def open_now(peer):
        before_the_answer(peer)
        peer.upgrade()

    def within_a_frame(peer):
        open_now(peer)
        peer.send(frame(BINARY, bytes(5000))[:2000])

    def within_a_message(peer):
        open_now(peer)
        peer.send(frame(BINARY, bytes(300_000), fin=False))

    def before_the_echo(peer):
        open_now(peer)
        peer.send(frame(BINARY, bytes(500_000)))

    def blocked(peer):
        open_now(peer)
        peer.stream.setblocking(False)
        try:
            for _ in range(20):
                peer.stream.send(frame(BINARY, bytes(MIB)))
        except BlockingIOError:
            pass

    def behind_our_close(peer):
        open_now(peer)
        peer.send(close_frame(1000))

    def behind_its_close(peer):
        open_now(peer)
        peer.send(b"\xff\xff")
        peer.next()

    steps = [
        before_the_request, within_the_request, before_the_answer, open_now, within_a_frame,
        within_a_message, before_the_echo, blocked, behind_our_close, behind_its_close,
    ]
    times = 20 if quick else 200
    for step in steps:
        for number in range(times):
            peer = Peer(server.port, upgraded=False)
            step(peer)
            if number % 2:
                time.sleep(0.002)
            peer.reset()
    return f"{len(steps)} steps × {times}; all is freed, others go on"


@row("TR2", "stopped and continued 50 times under load", bound=3 * MIB)
def signals(server, _):
    said = frame(TEXT, b"said") * 1000
    with Peer(server.port) as peer:
        for _ in range(50):
            with server.stopped():
                peer.send(said)
            read = bytearray(peer.received)
            while len(read) < 6000:
                read += peer.stream.recv(MIB)
            assert read == echoed(TEXT, b"said") * 1000
    return "each wait is interrupted, all is echoed"
