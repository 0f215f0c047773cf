"""The servers, what they run for, and one run of the load generator against one of them."""

import json
import os
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "..", "..", "target")
THEIRS = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(TARGET, "peers")), "release")
OURS = os.environ.get("OURS", os.path.join(TARGET, "release", "examples"))

# Each server's program, which is also the name of its package or example, and its arguments. Those of
# packages begin with "echo-".
SERVERS = {
    "raw": ["echo-raw"],
    "wsserver": ["wsserver_echo", "--max-connections", "1000000"],
    "echo_epoll": ["echo_epoll"],
    "echo_tokio": ["echo_tokio"],
    "fastwebsockets": ["echo-fastwebsockets"],
    "fastwebsockets-split": ["echo-fastwebsockets", "--split"],
    "tokio-websockets": ["echo-tokio-websockets"],
    "tokio-tungstenite": ["echo-tokio-tungstenite"],
    "yawc": ["echo-yawc"],
    "sockudo-ws": ["echo-sockudo-ws"],
}
BASE = "raw"

# The same for messages that are compressed; the best of the others is what they are compared with.
COMPRESSED_SERVERS = {
    "sockudo-ws": ["echo-sockudo-ws", "--deflate"],
    "yawc": ["echo-yawc", "--deflate"],
    "wsserver": ["wsserver_echo", "--deflate"],
    "echo_epoll": ["echo_epoll", "--deflate"],
    "echo_epoll, level 1": ["echo_epoll", "--deflate", "--level", "1"],
    "echo_tokio": ["echo_tokio", "--deflate"],
}
COMPRESSED_BASE = "sockudo-ws"

# Those that tell all what one says.
BROADCAST_SERVERS = {
    "raw": ["echo-raw", "--broadcast"],
    "wsserver": ["broadcast", "--max-connections", "1000000"],
    "fastwebsockets": ["echo-fastwebsockets", "--broadcast"],
    "tokio-tungstenite": ["echo-tokio-tungstenite", "--broadcast"],
}


class Failure(Exception):
    """A server that did not start or failed a check."""


class Server:
    """A server that runs until the end of the block."""

    def __init__(self, command):
        program, *flags = command
        folder = THEIRS if program.startswith("echo-") else OURS
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = free.getsockname()
        command = [os.path.join(folder, program), "--listen", "%s:%d" % self.address, *flags]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        try:
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_until_ready(self):
        for _ in range(500):
            try:
                return socket.create_connection(self.address, timeout=1).close()
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.01)
        raise Failure("did not start")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def measure(command, mode, options, timeout):
    """One run of the load generator against a server of its own: what it printed."""
    with Server(command) as server:
        options = {"address": "%s:%d" % server.address, "pid": server.process.pid, **options}
        command = [os.path.join(THEIRS, "loadgen"), mode]
        for option, value in options.items():
            command += ["--" + option, str(value)]
        try:
            run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Failure("took too long") from None
        if run.returncode != 0:
            raise Failure(run.stderr.strip().removeprefix("error: ") or f"the load generator ended with {run.returncode}")
        return json.loads(run.stdout)
