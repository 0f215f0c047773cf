#!/usr/bin/env python3
"""Measures echo servers side by side, in interleaved rounds, and prints markdown tables.

run.sh builds the servers and then calls this. Server and load generator share one core and take
turns, so that what a server costs is not hidden behind moving messages between cores.
"""

import argparse
import json
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "..", "..", "target")
THEIRS = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(TARGET, "peers")), "release")
OURS = os.environ.get("OURS", os.path.join(TARGET, "release", "examples"))

# Each server's program, which is also the name of its package or example, and its arguments.
SERVERS = {
    "raw": ["echo-raw"],
    "wsserver": ["wsserver_echo"],
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

# Payload/connections/messages sent before a reply is awaited.
POINTS = [
    "125B/1/1", "16B/100/1", "125B/100/1", "125B/1000/1", "1K/100/1", "16K/100/1", "64K/10/1", "1M/10/1",
    "16B/10/16", "125B/100/16", "125B/1000/16", "1K/10/16", "16K/10/16", "64K/10/16",
    "1K/10/16/text", "16K/10/1/text",
]
COMPRESSED_POINTS = ["1K/10/4/json", "16K/10/4/json", "1K/10/4/takeover", "16K/10/4/takeover", "1K/1000/1/takeover"]
QUICK_POINTS = ["125B/100/1", "16K/100/1", "64K/10/1", "125B/100/16"]
UNITS = {"B": 1, "K": 1024, "M": 1024 * 1024}

WARMUP = 0.15
# A run is repeated so often when others had its core for more than this share of the time.
REPEATS, MAX_WAITED = 2, 0.06


class Failure(Exception):
    """A server that did not start or failed a check."""


def say(line):
    print(line, file=sys.stderr, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="run.sh",
        description="Measures echo servers over loopback, on one core, and prints their ratios to the floor.",
        epilog="Exit code: 0, 1 if a server fails a check, 2 for a wrong command line, 130 when interrupted.")
    parser.add_argument("--quick", action="store_true", help="4 points instead of 16")
    parser.add_argument("--points", metavar="REGEX", default="", help="points whose name matches, such as '^125B' or '/16$'")
    parser.add_argument("--compressed", action="store_true", help="5 points of compressed JSON, and the servers that have compression")
    parser.add_argument("--servers", metavar="NAME", nargs="+", help="some servers only: " + ", ".join(SERVERS))
    parser.add_argument("--rounds", metavar="N", type=int, default=3, help="rounds, of which medians are taken [default: 3]")
    parser.add_argument("--secs", metavar="SECS", type=float, default=0.6, help="length of one run [default: 0.6]")
    parser.add_argument("--list", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    servers, arguments.base = (COMPRESSED_SERVERS, COMPRESSED_BASE) if arguments.compressed else (SERVERS, BASE)
    named = arguments.servers or servers
    if unknown := [name for name in named if name not in servers]:
        parser.error(f"no such server: {', '.join(unknown)}")
    # All figures are ratios to the base, so it always runs.
    arguments.servers = {name: command for name, command in servers.items() if name in named or name == arguments.base}
    try:
        points = COMPRESSED_POINTS if arguments.compressed else QUICK_POINTS if arguments.quick else POINTS
        arguments.points = [point for point in points if re.search(arguments.points, point)]
    except re.error as error:
        parser.error(f"--points: {error}")
    if not arguments.points:
        parser.error("--points: none matches")
    if arguments.rounds < 1 or not 0.05 <= arguments.secs <= 60:
        parser.error("--rounds is at least 1, --secs between 0.05 and 60")
    return arguments


def prepare():
    """What the servers and the load generator inherit: one core, long turns on it, many sockets."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        # Neither side interrupts the other whenever something arrives for it.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError:
        pass
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))


class Server:
    """A server that runs until the end of the block."""

    def __init__(self, command):
        program, *flags = command
        folder = OURS if "_" in program else THEIRS
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


def measure(command, point, secs):
    """One run: rate, server_us, waited, reply_size."""
    payload, connections, pipeline, kind = (point + "/binary").split("/")[:4]
    with Server([*command, "--takeover"] if kind == "takeover" else command) as server:
        options = {
            "address": "%s:%d" % server.address, "pid": server.process.pid,
            "payload": int(payload[:-1]) * UNITS[payload[-1]], "connections": connections, "pipeline": pipeline,
            "kind": kind, "warmup": WARMUP, "secs": secs,
        }
        command = [os.path.join(THEIRS, "loadgen")]
        for option, value in options.items():
            command += ["--" + option, str(value)]
        try:
            run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=secs + 30)
        except subprocess.TimeoutExpired:
            raise Failure("took too long") from None
        if run.returncode != 0:
            raise Failure(run.stderr.strip().removeprefix("error: ") or f"the load generator ended with {run.returncode}")
        return json.loads(run.stdout)


def measure_undisturbed(command, point, secs):
    """The run in which others had the core least."""
    best = None
    for _ in range(1 + REPEATS):
        run = measure(command, point, secs)
        if best is None or run["waited"] < best["waited"]:
            best = run
        if best["waited"] <= MAX_WAITED:
            break
    return best


def measure_all(arguments):
    """Runs by point and server, and what failed."""
    runs, failures, began = {}, [], time.monotonic()
    for point in arguments.points:
        runs[point] = {name: [] for name in arguments.servers}
        for _ in range(arguments.rounds):
            for name, command in arguments.servers.items():
                if (name, point) in failures:
                    continue
                try:
                    runs[point][name].append(measure_undisturbed(command, point, arguments.secs))
                except Failure as failure:
                    failures.append((name, point))
                    say(f"error: {name} at {point}: {failure}")
        say(f"{point}: done, {len(runs)} of {len(arguments.points)} points, {time.monotonic() - began:.0f} s")
    # Where a server failed once, its other rounds are no figures.
    for name, point in failures:
        runs[point][name] = []
    return runs, failures


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def throughput(runs, base):
    return median(runs, "rate") / median(base, "rate")


def capacity(runs, base):
    return median(base, "server_us") / median(runs, "server_us")


def print_ratios(title, ratio, runs, servers, base):
    """A row for each server, the best first, a column for each point, and their geometric mean."""
    print_header(title, "server", [*runs, "geo-mean"])
    rows = []
    for name in servers:
        ratios = [ratio(by[name], by[base]) if by[name] and by[base] else None for by in runs.values()]
        # The mean of other points than the others' would not compare.
        mean = None if None in ratios else statistics.geometric_mean(ratios)
        rows.append((mean or 0, name, [*ratios, mean]))
    for _, name, cells in sorted(rows, key=lambda row: -row[0]):
        print_row(name, ["failed" if cell is None else f"{cell:.2f}" for cell in cells])


def print_spread(runs, servers):
    """How far apart a server's rounds are, as a share of their median."""
    print_header("Spread of CPU time per message over the rounds, %", "server", runs)
    for name in servers:
        print_row(name, [spread(by[name]) for by in runs.values()])


def spread(runs):
    if len(runs) < 2:
        return "–"
    times = [run["server_us"] for run in runs]
    return f"{(max(times) - min(times)) / statistics.median(times) * 100:.0f}"


def print_reply_sizes(runs, servers):
    print_header("Bytes of a reply, with its header", "server", runs)
    for name in servers:
        print_row(name, [f"{median(by[name], 'reply_size'):.0f}" if by[name] else "failed" for by in runs.values()])


def print_base(runs, base):
    """What all is compared with, in figures of this machine."""
    print_header(f"{base} on this machine", "", runs)
    for title, key, form in [("messages/s", "rate", "{:.0f}"), ("CPU µs per message", "server_us", "{:.2f}")]:
        print_row(title, [form.format(median(by[base], key)) if by[base] else "failed" for by in runs.values()])


def print_header(title, corner, columns):
    print(f"\n{title}:\n")
    print_row(corner, columns)
    print("|---|" + "---:|" * len(columns))


def print_row(name, cells):
    print(f"| {name} | " + " | ".join(cells) + " |")


def print_report(arguments, runs):
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as file:
        congestion = file.read().strip()
    every = [run["waited"] for by in runs.values() for rounds in by.values() for run in rounds]
    print(f"Medians of {arguments.rounds} interleaved rounds of {arguments.secs} s, loopback, TCP with {congestion}, "
          f"server and load on one core, which others had for up to {max(every, default=0) * 100:.0f} % of a run. "
          "Points are payload/connections/pipeline.")
    servers, base = arguments.servers, arguments.base
    print_ratios(f"Throughput × {base}", throughput, runs, servers, base)
    print_ratios(f"Capacity × {base} ({base}'s CPU time per message ÷ the server's)", capacity, runs, servers, base)
    if arguments.compressed:
        print_reply_sizes(runs, servers)
    print_spread(runs, servers)
    print_base(runs, base)


def main():
    arguments = parse_arguments()
    # For run.sh: what to build.
    if arguments.list:
        print("\n".join(dict.fromkeys(["loadgen", *(command[0] for command in arguments.servers.values())])))
        return
    prepare()
    runs, failures = measure_all(arguments)
    print_report(arguments, runs)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
