"""The examples rooms, command, filewatch and pubsub, used as a person would.

Usage: examples.py FOLDER  where FOLDER holds the examples, such as target/release/examples

Starts each on any port, speaks WebSocket with it by a small client of its own, and ends it as Ctrl-C
does, which is a clean end with nothing left behind. Prints one line for each check. Exit code: 0 if
all is as it should be, 1 otherwise.
"""

import base64
import contextlib
import hashlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 20  # seconds, for everything that is waited for
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Failed(Exception):
    pass


def wait(what, is_so):
    """Until something is so, and what it then is."""
    deadline = time.monotonic() + PATIENCE
    while not (result := is_so()):
        if time.monotonic() > deadline:
            raise Failed(f"waited {PATIENCE} s for {what}")
        time.sleep(0.02)
    return result


def expect(expected, found):
    if expected != found:
        raise Failed(f"expected {expected!r:.400}, found {found!r:.400}")


class Lines:
    """What a process writes, line by line, each within the deadline."""

    def __init__(self, stream):
        self.lines = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.read, args=(stream,), daemon=True)
        self.thread.start()

    def read(self, stream):
        with stream:
            for line in stream:
                self.lines.put(line.rstrip("\n"))

    def next(self):
        try:
            return self.lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise Failed(f"nothing was said for {PATIENCE} s") from None

    def rest(self):
        self.thread.join(PATIENCE)
        return [self.lines.get() for _ in range(self.lines.qsize())]


class Process:
    """An example, with lines to and from it."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen(
            [os.path.join(sys.argv[1], name), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.out, self.errors = Lines(self.process.stdout), Lines(self.process.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            # So that it can take along what it started, where a check failed.
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def say(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def code(self):
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"it did not end in {PATIENCE} s") from None


class Server(Process):
    def __init__(self, name, *arguments):
        super().__init__(name, "--listen", "127.0.0.1:0", *arguments)
        try:
            line = self.out.next()
            if not line.startswith("listening on "):
                raise Failed(f"{name} did not say where it listens: {line!r}")
        except Failed:
            self.process.kill()
            raise
        self.port = int(line.rstrip("/").rsplit(":", 1)[1])
        self.url = f"ws://127.0.0.1:{self.port}/"

    def end(self, *clients):
        """Ends it as Ctrl-C does, which these clients are told and answer."""
        self.process.send_signal(signal.SIGINT)
        for client in clients:
            while not isinstance(message := client.receive(), tuple):
                pass
            expect(1001, message[0])
        expect(0, self.code())
        panics = [line for line in self.errors.rest() if "panicked" in line]
        expect([], panics)

    def get(self, path):
        """The status, the headers and the body of a page."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as stream:
            stream.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            with stream.makefile("rb") as answer:
                status, headers = head(answer)
                return status, headers, answer.read(int(headers["content-length"])).decode()

    def peak(self):
        """The most memory that it ever had, in KiB, where the system tells."""
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{self.process.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmHWM")).split()[1])
        return 0


def head(answer):
    status = int(answer.readline().split()[1])
    headers = {}
    while line := answer.readline().strip():
        name, value = line.decode().split(":", 1)
        headers[name.lower()] = value.strip()
    return status, headers


class Refused(Exception):
    """Status and headers of the answer."""


class Client:
    """A WebSocket client: frames whole and small, all messages in one frame each."""

    def __init__(self, server, path="/ws", room=None):
        """`room`: how much the system may take for it, in bytes."""
        self.stream = socket.socket()
        if room:
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.stream.settimeout(PATIENCE)
        self.stream.connect(("127.0.0.1", server.port))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", ""]
        self.stream.sendall("\r\n".join(lines).encode())
        self.input = self.stream.makefile("rb")
        status, answer = head(self.input)
        if status != 101:
            self.drop()
            raise Refused(status, answer)
        accept = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        expect(base64.b64encode(accept).decode(), answer["sec-websocket-accept"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()

    def drop(self):
        """Without a word."""
        self.input.close()
        self.stream.close()

    def send(self, payload, opcode=TEXT):
        data = payload.encode() if isinstance(payload, str) else payload
        length = len(data)
        if length < 126:
            start = bytes([0x80 | opcode, 0x80 | length])
        else:
            start = bytes([0x80 | opcode, 0x80 | 126]) + length.to_bytes(2, "big")
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self.stream.sendall(start + mask + masked)

    def frame(self):
        try:
            first, length = self.exactly(2)
            if length >= 126:
                length = int.from_bytes(self.exactly(2 if length == 126 else 8), "big")
            return first, self.exactly(length)
        except TimeoutError:
            raise Failed(f"nothing came for {PATIENCE} s") from None

    def exactly(self, length):
        data = self.input.read(length)
        if len(data) < length:
            raise Failed("the stream ended")
        return data

    def receive(self):
        """A text; or, at the end, the code and the reason of the close frame."""
        while True:
            first, payload = self.frame()
            if first == 0x80 | TEXT:
                return payload.decode()
            if first == 0x80 | CLOSE:
                # Who was too slow is not waited for.
                with contextlib.suppress(ConnectionError):
                    self.send(payload[:2], CLOSE)
                return int.from_bytes(payload[:2], "big"), payload[2:].decode()
            if first != 0x80 | PING:
                raise Failed(f"a frame that begins with {first:#x}")
            self.send(payload, PONG)

    def close(self):
        """A clean close, and all that came before it."""
        self.send((1000).to_bytes(2, "big"), CLOSE)
        came = []
        while not isinstance(message := self.receive(), tuple):
            came.append(message)
        expect(1000, message[0])
        self.drop()
        return came

    def emit(self, name, value):
        self.send(f"m:{name};0;{value}" if isinstance(value, str) else f"m:{name};4;{json.dumps(value)}")

    def event(self):
        """The name and the value of an event."""
        message = self.receive()
        if not isinstance(message, str) or not message.startswith("m:"):
            raise Failed(f"no event: {message!r:.200}")
        name, kind, value = message[2:].split(";", 2)
        return name, value if kind == "0" else json.loads(value)


def is_alive(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def is_gone(*process_ids):
    wait(f"the end of {process_ids}", lambda: not any(map(is_alive, process_ids)))


def page_and_client(server):
    for path, content_type, part in (
        ("/", "text/html; charset=utf-8", "./events.js"),
        ("/events.js", "text/javascript; charset=utf-8", "export class Events"),
    ):
        status, headers, body = server.get(path)
        expect((200, content_type), (status, headers["content-type"]))
        expect(True, part in body)


def rooms():
    with Server("rooms") as server, Client(server) as ada, Client(server) as bo:
        page_and_client(server)
        yield "rooms: serves its page and the browser client"
        (name, ada_id), (_, bo_id) = ada.event(), bo.event()
        expect(("welcome", True), (name, ada_id != bo_id))
        for message in ("hello", "", "m;no event"):
            ada.send(message)
            expect(message, ada.receive())
        yield "rooms: tells each its id, and echoes native messages"
        ada.emit("say", ["hall", "too early"])
        expect(("problem", "join the room first"), ada.event())
        ada.send("m:say;4;nonsense")
        expect("problem", ada.event()[0])
        yield "rooms: says what is wrong with an event"
        ada.emit("join", "hall")
        expect(("joined", {"room": "hall", "id": ada_id}), ada.event())
        bo.emit("join", "hall")
        for client in (ada, bo):
            expect(("joined", {"room": "hall", "id": bo_id}), client.event())
        ada.emit("say", ["hall", "good; morning"])
        for client in (ada, bo):
            expect(("said", {"room": "hall", "id": ada_id, "text": "good; morning"}), client.event())
        yield "rooms: members hear who joins and what is said"
        bo.emit("tell", [ada_id, "psst"])
        expect(("told", {"id": bo_id, "text": "psst"}), ada.event())
        for nobody in ("0-0-99", "hall"):
            bo.emit("tell", [nobody, "psst"])
            expect(("problem", "nobody here has this id"), bo.event())
        bo.emit("join", ada_id)
        expect(("problem", "the room is another connection's own"), bo.event())
        yield "rooms: a private message reaches one, and nobody reads along"
        ada.emit("leave", "hall")
        expect(("left", {"room": "hall", "id": ada_id}), bo.event())
        ada.emit("join", "hall")
        expect(("joined", {"room": "hall", "id": ada_id}), bo.event())
        ada.drop()
        expect(("left", {"room": "hall", "id": ada_id}), bo.event())
        yield "rooms: members hear who leaves, and who is gone"
        server.end(bo)
        yield "rooms: Ctrl-C ends it"


def command():
    with Server("command", "--", "cat") as server:
        expect((200, True), (server.get("/")[0], "WebSocket" in server.get("/")[2]))
        with Client(server) as client:
            for line in ("hello", "", "wörld", "x" * 8192):
                client.send(line)
                expect(line, client.receive())
            client.send("two\nlines")
            expect(["two", "lines"], [client.receive(), client.receive()])
            client.send(b"bytes", BINARY)
            expect((1003, "lines are text"), client.receive())
        with Client(server) as client:
            client.send("x" * 8193)
            expect(1009, client.receive()[0])
        yield "command: lines go in and come out, longer messages and binary ones are refused"
        server.end()
        yield "command: Ctrl-C ends it"

    script = "read line; echo \"out $line\"; sleep 0.2; echo \"err $line\" >&2; exit 3"
    with Server("command", "sh", "-c", script) as server, Client(server) as client:
        client.send("1")
        expect(["out 1", "stderr: err 1", (1000, "exit status: 3")],
               [client.receive() for _ in range(3)])
        yield "command: errors are marked, and the exit code is the reason of the close"
        server.end()

    line = "é" * 20_000
    script = f"print({line!r}); print('x' * 16384); print(); print('end', end='')"
    with Server("command", "--", sys.executable, "-X", "utf8", "-c", script) as server:
        with Client(server) as client:
            came = [client.receive() for _ in range(7)]
        expect([line, "x" * 16384, "", "end", (1000, "exit status: 0")], ["".join(came[:3]), *came[3:]])
        expect(True, all(len(piece.encode()) <= 16384 for piece in came[:3]))
        yield "command: a long line comes in pieces of whole characters"
        server.end()

    with Server("command", "seq", "50000") as server, Client(server) as client:
        time.sleep(1)
        expect([str(number) for number in range(1, 50_001)], [client.receive() for _ in range(50_000)])
        expect((1000, "exit status: 0"), client.receive())
        yield "command: 50,000 lines come, to one who begins to read a second later"
        server.end()

    with Server("command", "/no/such/program") as server, Client(server) as client:
        code, reason = client.receive()
        expect((1011, True), (code, reason.startswith("cannot run it: ")))
        expect(True, "/no/such/program" in server.errors.next())
        yield "command: says that there is no such program"
        server.end()

    # The shell becomes the program that runs on: its id is known.
    endless = ["sh", "-c", "echo $$; exec sleep 1000"]
    with Server("command", *endless) as server:
        with contextlib.ExitStack() as clients:
            seated = [clients.enter_context(Client(server)) for _ in range(16)]
            children = [int(client.receive()) for client in seated]
            try:
                Client(server).drop()
                raise Failed("a seventeenth was let in")
            except Refused as refused:
                status, headers = refused.args
                expect((503, "5"), (status, headers["retry-after"]))
            yield "command: 16 at a time, and 503 with Retry-After for one more"
            seated[0].drop()
            began = time.monotonic()
            is_gone(children[0])
            expect(True, time.monotonic() - began > 0.5)
            seated.pop(1).close()
            is_gone(children.pop(1))

            def next_one():
                with contextlib.suppress(Refused):
                    return Client(server)

            seated[0] = clients.enter_context(wait("a free seat", next_one))
            children[0] = int(seated[0].receive())
            yield "command: who does not end with the input is killed, and another may come"
            flooding = seated.pop()
            with contextlib.suppress(ConnectionError):
                for _ in range(200):
                    flooding.send("x" * 8192)
            is_gone(children.pop())
            yield "command: whose program reads nothing cannot send for ever"
            server.end(*seated)
            expect([], list(filter(is_alive, children)))
            yield "command: Ctrl-C ends 14 programs that ignore their input"

    with Server("command", "sh", "-c", f"echo $$; exec yes {'x' * 1000}") as server:
        with Client(server, room=1 << 16) as client:
            child = int(client.receive())
            is_gone(child)
            # At most 1 MiB waits for a client.
            if server.peak() > 64 * 1024:
                raise Failed(f"it took {server.peak()} KiB")
        with Client(server) as client:
            child = int(client.receive())
            # Which this one does not answer.
            server.end()
            expect(False, is_alive(child))
        yield "command: who takes nothing of a flood is disconnected, and Ctrl-C ends another one"


def filewatch():
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "watched.txt")

        def write(content):
            # As editors do: the file is another one, and never half of it.
            with open(f"{file}.new", "wb") as new:
                new.write(content)
            os.replace(f"{file}.new", file)

        write("wörld; 1".encode())
        with Server("filewatch", file) as server, Client(server) as one, Client(server) as other:
            page_and_client(server)
            for client in (one, other):
                expect(("content", "wörld; 1"), client.event())
            one.send("whatever")
            with open(file, "ab") as same:
                same.write(b" more")
            for client in (one, other):
                expect(("content", "wörld; 1 more"), client.event())
            with Client(server) as late:
                expect(("content", "wörld; 1 more"), late.event())
            yield "filewatch: all get the file, and what it changes to"
            whole = "x" * (1 << 20)
            for content, name, value in (
                (b"", "content", ""),
                (whole.encode(), "content", whole),
                (whole.encode() + b"x", "problem", f"{file}: larger than 1048576 bytes"),
                (b"\xff", "problem", f"{file}: not a text in UTF-8"),
                (b"again", "content", "again"),
            ):
                write(content)
                for client in (one, other):
                    expect((name, value), client.event())
            os.remove(file)
            name, value = one.event()
            expect(("problem", True), (name, value.startswith(f"{file}: No such file")))
            yield "filewatch: says that a file is too large, no text, or not there"
            server.end(one, other)
        with Server("filewatch", folder) as server, Client(server) as client:
            expect(("problem", f"{folder}: not a regular file"), client.event())
            server.end(client)
        yield "filewatch: Ctrl-C ends it"
        write(whole.encode())
        with Server("filewatch", file) as server, Client(server, room=1 << 16) as slow:
            for number in range(6):
                wait_for_change(server, write, f"{number}{whole[1:]}".encode())
            came = [slow.event()[1][0]]
            while came[-1] != "5":
                came.append(slow.event()[1][0])
            expect(True, len(came) < 7)
            server.end(slow)
        yield f"filewatch: who reads late gets the latest one, and {len(came)} of 7 in all"


def wait_for_change(server, write, content):
    """Has a watcher of its own see this content."""
    with Client(server) as quick:
        quick.event()
        write(content)
        while quick.event()[1] != content.decode():
            pass


def pubsub():
    with Server("pubsub") as server:
        with Process("pubsub_client", server.url, "nobody-5") as nobody:
            expect(1, nobody.code())
            expect(True, "401" in nobody.errors.next())
        yield "pubsub: who has no key is refused"
        with Client(server, "/?key=cem-3") as cem, Process("pubsub_client", server.url, "ani-1") as ani:
            expect("Ani joined", json.loads(cem.receive())["body"])
            cem.close()
            expect("[system] Cem left", ani.out.next())
            with Process("pubsub_client", server.url, "bo-2") as bo:
                expect("[system] Bo joined", ani.out.next())
                bo.say("hello")
                expect("[message] Bo: hello", ani.out.next())
                ani.say("hello, Bo")
                expect("[message] Ani: hello, Bo", bo.out.next())
                bo.process.stdin.close()
                expect(0, bo.code())
                # What one posts is not told to itself.
                expect([], bo.out.rest())
            expect("[system] Bo left", ani.out.next())
            yield "pubsub: what one posts, all others are told, and who comes and goes"
            server.end()
            expect(0, ani.code())
        yield "pubsub: Ctrl-C ends it"


def refuses_a_wrong_command_line():
    for name, *arguments in (
        ("rooms", "more"), ("command",), ("command", "--no-such"), ("filewatch",),
        ("filewatch", "one", "two"), ("pubsub", "--listen"), ("pubsub_client", "ws://127.0.0.1/"),
        ("rooms", "--listen", "nowhere"),
    ):
        with Process(name, *arguments) as process:
            expect(2, process.code())
            expect("error: ", process.errors.next()[:7])
    for name in ("rooms", "command", "filewatch", "pubsub", "pubsub_client"):
        with Process(name, "--help") as process:
            expect(0, process.code())
            expect(True, any(name in line or "--listen" in line for line in process.out.rest()))
    yield "all: --help helps, and a wrong command line is an error"


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    failures = 0
    for example in (refuses_a_wrong_command_line, pubsub, rooms, command, filewatch):
        try:
            for line in example():
                print(line, flush=True)
        except (Failed, Refused, OSError) as error:
            failures += 1
            place = error.__traceback__
            while place.tb_next and place.tb_next.tb_frame.f_code.co_name not in ("expect", "wait"):
                place = place.tb_next
            print(f"FAILED: {example.__name__}, line {place.tb_lineno}: {error}", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
