"""A server that is watched, and a good peer that must not notice the others."""

import os
import resource
import signal
import subprocess
import threading
import time
from typing import NamedTuple

from wire import TEXT, Peer, frame

MIB = 1 << 20
# What the server may keep when all are gone, beside what it began with: a thread keeps 4 MiB of
# buffers for the next ones and has one in hand, of at most twice a message.
KEPT = 6 * MIB
# What the allocator may have on top, which gives back only what is at its end, and of small blocks.
SLACK = 16 * MIB
# Without this glibc does not give back large blocks either, once some were freed.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "131072"}
# How long one echo of the good peer may take, in seconds.
PATIENCE = 5


class Usage(NamedTuple):
    memory: int
    threads: int
    descriptors: int


class Server:
    def __init__(self, folder, descriptors=None):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.process = subprocess.Popen(
            [f"{folder}/wsserver_echo", "--listen", "127.0.0.1:0"],
            env={**os.environ, **ALLOCATOR}, stdout=subprocess.PIPE, text=True,
            preexec_fn=limit if descriptors else None,
        )
        url = self.process.stdout.readline().strip()
        self.port = int(url.rstrip("/").rpartition(":")[2])
        self.good = GoodPeer(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.good.stop()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def usage(self):
        place = f"/proc/{self.process.pid}"
        with open(f"{place}/smaps_rollup") as lines:
            memory = next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))
        tasks, files = os.listdir(f"{place}/task"), os.listdir(f"{place}/fd")
        return Usage(memory * 1024, len(tasks), len(files))

    def cpu(self):
        """Seconds that it had a processor."""
        place = f"/proc/{self.process.pid}/task"
        total = 0
        for task in os.listdir(place):
            with open(f"{place}/{task}/schedstat") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def signal(self, number):
        self.process.send_signal(number)

    def stopped(self):
        """Within this nothing is served, though the system still takes connections and bytes."""
        return Stopped(self)

    def settle(self, base, timeout=3):
        """Waits until it is as it was, and idle: how it is then."""
        until = time.monotonic() + timeout
        while True:
            now = self.usage()
            is_back = (now.threads, now.descriptors) == (base.threads, base.descriptors)
            if is_back and now.memory <= base.memory + KEPT + SLACK:
                break
            assert time.monotonic() < until, f"was {base}, is {now} after {timeout} s"
            time.sleep(0.02)
        before = self.cpu()
        time.sleep(0.2)
        spent = self.cpu() - before
        assert spent < 0.1, f"idle, it took {spent:.2f} of 0.2 s of a processor"
        return now


class Stopped:
    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.server.signal(signal.SIGSTOP)

    def __exit__(self, *_):
        self.server.signal(signal.SIGCONT)


class Watch(threading.Thread):
    """The most memory and descriptors of a server, while it is watched."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.memory, self.descriptors = server, 0, 0
        self.done = threading.Event()
        self.start()

    def look(self):
        try:
            usage = self.server.usage()
        except (OSError, StopIteration):
            return  # it has ended
        self.memory = max(self.memory, usage.memory)
        self.descriptors = max(self.descriptors, usage.descriptors)

    def run(self):
        while not self.done.wait(0.02):
            self.look()

    def stop(self):
        self.look()
        self.done.set()
        self.join()


class GoodPeer(threading.Thread):
    """Has small messages echoed, one after the other, all the time."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.peer = Peer(port, timeout=PATIENCE)
        self.done = threading.Event()
        self.worst, self.echoes, self.error = 0, 0, None
        self.start()

    def run(self):
        number = 0
        while not self.done.wait(0.002):
            number += 1
            said = f"good {number} ".encode() * (number % 8 + 1)
            began = time.monotonic()
            try:
                self.peer.send(frame(TEXT, said))
                self.peer.expect(TEXT, said)
            except (OSError, AssertionError) as error:
                self.error = f"{type(error).__name__} {error}"
                return
            self.worst = max(self.worst, time.monotonic() - began)
            self.echoes += 1

    def begin(self):
        self.worst, self.echoes = 0, 0

    def check(self):
        assert self.error is None, f"the good peer: {self.error}"
        # One that hangs has not failed yet.
        before, until = self.echoes, time.monotonic() + PATIENCE
        while self.echoes == before and self.error is None and time.monotonic() < until:
            time.sleep(0.005)
        assert self.error is None and self.echoes > before, f"the good peer: {self.error}"

    def stop(self):
        self.done.set()
        self.join()
        self.peer.stream.close()
