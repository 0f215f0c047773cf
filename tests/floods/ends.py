"""Deadlines, descriptors that run out, and the end of a server."""

import resource
import signal
import threading
import time

from floods import ANYHOW, pump
from rows import row
from server import MIB
from wire import (
    BINARY, CLOSE, CONTINUATION, EOF, PING, PONG, REQUEST, RESET, SILENCE, TEXT, Peer, close_all,
    close_frame, echoed, frame, many, split,
)

OPEN = frame(TEXT, b"a", fin=False)


@row("TR8 TR20", "1,023 requests that come byte by byte; more at once than may shake hands",
     bound=4 * MIB)
def slow_requests(server, _):
    began = time.monotonic()
    slow = many(server.port, 1023, upgraded=False)
    opened = time.monotonic()
    with Peer(server.port) as peer:
        peer.answers()
    served = time.monotonic() - opened
    one, *more = many(server.port, 20, upgraded=False)
    answers = [other.head() for other in more]
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503 ")]
    assert len(refused) == 19, f"{len(refused)} of 19 were told 503: {answers}"
    assert all(b"\r\nRetry-After: " in answer for answer in refused)
    close_all([one, *more])
    left, dripped, first = set(slow), 0, None
    while left and time.monotonic() < opened + 13:
        if time.monotonic() > opened + dripped:
            for peer in left:
                peer.send_some(REQUEST[dripped : dripped + 1])
            dripped += 1
        for peer in list(left):
            peer.stream.settimeout(0)
            try:
                data = peer.stream.recv(100)
                assert data == b"" or data.startswith(b"HTTP/1.1 408 "), f"told {data!r}"
            except BlockingIOError:
                continue
            except ConnectionError:
                pass
            finally:
                peer.stream.settimeout(10)
            left.discard(peer)
            first = first or time.monotonic() - began
        time.sleep(0.1)
    took = time.monotonic() - opened
    assert not left, f"{len(left)} of 1,023 are still there after {took:.0f} s"
    assert first >= 9, f"the first was closed after {first:.1f} s"
    close_all(slow)
    return (f"a good peer let in and served in {1000 * served:.0f} ms; 19 of 20 more told 503 with"
            f" Retry-After; all closed {took:.1f} s after the last came"
            f" (they came in {opened - began:.1f} s)")


@row("TR10 FR34", "one answers no ping, one never ends its message, one drips its message",
     full_only=True, bound=2 * MIB)
def silence(server, _):
    silent, stalled, drip = many(server.port, 3, timeout=90)
    began = time.monotonic()
    ends = {}
    stalled.send(OPEN)
    drip.send(OPEN)
    peers = {"silent": silent, "stalled": stalled, "drip": drip}
    pinged = None
    while len(ends) < 3 and time.monotonic() < began + 80:
        time.sleep(0.5)
        for name, peer in peers.items():
            if name in ends:
                continue
            peer.stream.settimeout(0.01)
            try:
                chunk = peer.stream.recv(4096)
                peer.received += chunk
                if not chunk:
                    ends[name] = (time.monotonic() - began, EOF)
                elif chunk == b"\x89\x00":
                    if name == "silent":
                        pinged = time.monotonic() - began
                    else:
                        peer.send(frame(PONG))
                        peer.received.clear()
                if name == "drip" and chunk != b"":
                    peer.send(frame(CONTINUATION, b"b", fin=False))
            except TimeoutError:
                if name == "drip":
                    peer.send(frame(CONTINUATION, b"b", fin=False))
            except ConnectionError:
                ends[name] = (time.monotonic() - began, RESET)
    assert len(ends) == 3, f"after 80 s only {ends}"
    times = {name: round(at, 1) for name, (at, _) in ends.items()}
    assert pinged and 24 <= pinged <= 28, f"pinged after {pinged}"
    assert 43 <= times["silent"] <= 49 and bytes(silent.received) == b"\x89\x00", f"{times}"
    for name in ("stalled", "drip"):
        told, _ = split(peers[name].received)
        assert [payload[:2] for _, payload in told] == [b"\x03\xf0"], f"{name} told {told}"
        assert 59 <= times[name] <= 64, f"{times}"
    close_all(peers.values())
    return f"pinged after {pinged:.1f} s, ended after {times}, the messages with 1008"


@row("FR34, blocked", "one never ends its message, and reads nothing for a second after 20 s",
     full_only=True, bound=4 * MIB)
def blocked_message(server, _):
    ping = frame(PING, b"x" * 125)
    pings = ping * 200_000
    with Peer(server.port, receive_buffer=4096, timeout=1) as peer:
        began = time.monotonic()
        peer.send(OPEN)
        # The server has not sent a ping of its own yet.
        time.sleep(20)
        sent = peer.send_some(pings)
        assert sent < len(pings), "all was taken, though nothing was read"
        # The ping that was begun is ended, and all that comes is read.
        left, told = memoryview(pings)[sent : sent + -sent % len(ping)], None
        while told is None and time.monotonic() < began + 85:
            try:
                first, payload = peer.next()
            except TimeoutError:
                # There is room for the rest of it.
                left = left[peer.send_some(left) :]
                continue
            if first == 0x89 and not left:
                peer.send(frame(PONG, payload))
            elif first == 0x88:
                told = payload[:2]
        took = time.monotonic() - began
    assert told == b"\x03\xf0" and took < 65, f"after {took:.0f} s it was told {told}"
    return f"told 1008 after {took:.1f} s"


def crowd(server, count):
    """So many that ask to be let in."""
    peers = many(server.port, count, upgraded=False, timeout=5)
    for peer in peers:
        try:
            peer.send(REQUEST)
        except ConnectionError:
            pass
    return peers


def answered(peer, timeout=0.01):
    """The status it was answered, `None` if it was hung up on, or that there is silence."""
    peer.stream.settimeout(timeout)
    try:
        while b"\r\n\r\n" not in peer.received:
            chunk = peer.stream.recv(4096)
            if not chunk:
                return None
            peer.received += chunk
    except TimeoutError:
        return SILENCE
    except ConnectionError:
        return None
    return int(peer.received.split()[1])


def spent_idle(server, seconds):
    before = server.cpu()
    time.sleep(seconds)
    return server.cpu() - before


@row("TR12", "200 (120) come to a server that may have 80 descriptors", bound=3 * MIB, own=True)
def few_descriptors(open_server, quick):
    with open_server(descriptors=80) as server:
        base = server.usage()
        peers = crowd(server, 120 if quick else 200)
        seconds = 1 if quick else 2
        spent = spent_idle(server, seconds)
        began = time.monotonic()
        told = [answered(peer) for peer in peers]
        while SILENCE in told and time.monotonic() < began + 15:
            told = [answered(peer) if one == SILENCE else one for peer, one in zip(peers, told)]
        took = time.monotonic() - began + seconds
        counts = {status: told.count(status) for status in (101, 503, None, SILENCE)}
        assert counts[SILENCE] == 0, f"{counts}: some were told nothing in {took:.0f} s"
        assert counts[101] == 15, f"{counts}: 80 − 64 may be open, and one was before"
        assert spent < seconds / 4, f"it took {spent:.2f} s of a processor in {seconds} s"
        close_all(peers)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            with Peer(server.port, upgraded=False) as late:
                late.send(REQUEST)
                if answered(late, 2) == 101:
                    break
            time.sleep(0.05)
        else:
            raise AssertionError("nobody was let in 5 s after all were gone")
        server.settle(base)
        server.good.check()
    return (f"15 let in, {counts[503]} told 503, {counts[None]} hung up on, all in {took:.1f} s;"
            f" {spent:.2f} s of a processor in {seconds} s; let in again when others were gone")


@row("TR12 EMFILE", "a server's descriptors are made few while it runs, then 200 (120) come",
     bound=3 * MIB, own=True)
def no_descriptors(open_server, quick):
    with open_server() as server:
        base = server.usage()
        pid, hard = server.process.pid, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (80, hard))
        peers = crowd(server, 120 if quick else 200)
        seconds = 1 if quick else 2
        spent = spent_idle(server, seconds)
        first = [answered(peer) for peer in peers]
        taken = server.usage().descriptors
        assert taken <= 80 and first.count(101) >= 60, f"{first.count(101)} open, {taken} taken"
        assert spent < seconds / 4, f"it took {spent:.2f} s of a processor in {seconds} s"
        server.good.check()
        waiting = [peer for peer, status in zip(peers, first) if status == SILENCE]
        for peer, status in zip(peers, first):
            if status != SILENCE:
                peer.stream.close()
        began = time.monotonic()
        # Those who wait have their turn as descriptors are free.
        while waiting and time.monotonic() < began + 10:
            for peer in list(waiting):
                if answered(peer) != SILENCE:
                    peer.stream.close()
                    waiting.remove(peer)
        took = time.monotonic() - began
        assert not waiting, f"{len(waiting)} wait 10 s after others have gone"
        server.settle(base)
        server.good.check()
    counts = [first.count(status) for status in (101, 503, None, SILENCE)]
    return (f"{counts[0]} let in, {counts[1]} told 503, {counts[2]} hung up on, {counts[3]} waited"
            f" and were served {took:.1f} s after others had gone; {spent:.2f} s of a processor in"
            f" {seconds} s")


@row("TR19", "SIGINT with peers of all kinds connected", bound=40 * MIB, own=True)
def shutdown(open_server, quick):
    with open_server() as server:
        port = server.port
        server.good.stop()
        polite, rude = many(port, 50), many(port, 5)
        within = many(port, 5)
        for peer in within:
            peer.send(frame(BINARY, bytes(100_000), fin=False))
        asking = many(port, 5, upgraded=False)
        busy = many(port, 5)
        block = frame(TEXT, b"busy") * 5000

        def flood(peer):
            peer.received = pump(peer.stream, block, 200, 0)

        blocked = [] if quick else many(port, 3, receive_buffer=4096, timeout=1)
        for peer in blocked:
            peer.send_some(frame(BINARY, bytes(MIB)) * 20)
        floods = [threading.Thread(target=flood, args=(peer,)) for peer in busy]
        for thread in floods:
            thread.start()
        time.sleep(0.1)
        began = time.monotonic()
        server.signal(signal.SIGINT)
        for thread, peer in zip(floods, busy):
            thread.join()
            read_close(peer)
        for peer in polite + within:
            peer.expect(CLOSE, b"\x03\xe9")
            peer.send(close_frame(1001))
            data, end = peer.rest()
            assert (data, end) == (b"", EOF), f"behind the Close came {data[:20]}, {end}"
        for peer in asking:
            assert peer.rest()[1] in ANYHOW
        for peer in rude:
            peer.expect(CLOSE, b"\x03\xe9")
        try:
            Peer(port)
            raise AssertionError("somebody was let in")
        except ConnectionError:
            pass
        code = server.process.wait(35)
        took = time.monotonic() - began
        report = server.process.stdout.read().strip()
        close_all(polite + rude + within + asking + busy + blocked)
        limit = 8 if quick else 31
        # Those who answer no Close have 5 s, those who read nothing more: all have 30 s.
        assert code == 0 and took <= limit, f"exit code {code} after {took:.1f} s"
    return f"each told 1001, nobody let in, exit code 0 after {took:.1f} s ({report})"


def read_close(peer):
    """Asserts that behind any number of echoes there is Close 1001, and answers it."""
    echo, told = echoed(TEXT, b"busy"), echoed(CLOSE, b"\x03\xe9")
    while not peer.received.endswith(told):
        chunk = peer.stream.recv(MIB)
        assert chunk, "the server hung up without a Close"
        peer.received += chunk
    echoes = bytes(peer.received[: -len(told)])
    assert echoes == echo * (len(echoes) // len(echo)), "the echoes are not whole"
    peer.send_some(close_frame(1001))
