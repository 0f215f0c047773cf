#!/usr/bin/env python3
"""Measures WebSocket servers side by side, in interleaved rounds, and prints markdown tables.

run.sh builds the servers and then calls this. Server and load generator share one core and take
turns, so that what a server costs is not hidden behind moving messages between cores.
"""

import argparse
import os
import re
import resource
import signal
import sys
import time

import modes
import report
from servers import SERVERS, Failure, measure

# A run is repeated so often when others had its core for more than this share of the time.
REPEATS, MAX_WAITED = 2, 0.06

# Descriptors that a process has besides those of its connections.
FILES_BESIDES = 64


def say(line):
    print(line, file=sys.stderr, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="run.sh",
        description="Measures WebSocket servers over loopback, on one core, and prints their ratios to the floor. "
                    "Echoes messages if no other mode is named.",
        epilog="Exit code: 0, 1 if a server fails a check, 2 for a wrong command line or too few descriptors, "
               "130 when interrupted.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--upgrades", action="store_true", help="connections per second, each with an opening handshake and no more")
    mode.add_argument("--idle", action="store_true", help="memory per idle connection, after its upgrade and after one echo")
    mode.add_argument("--broadcast", action="store_true", help="what one member sends, delivered to all")
    parser.add_argument("--compressed", action="store_true", help="with permessage-deflate, and the servers that have it: 5 points of JSON; with --idle, without takeover and with it")
    parser.add_argument("--connections", metavar="N", type=int, nargs="+", help="with --upgrades: so many at a time [default: 64]; with --idle: [default: 10000]; with --broadcast: members [default: 1000 10000]")
    parser.add_argument("--quick", action="store_true", help="echo: 4 points instead of 16")
    parser.add_argument("--points", metavar="REGEX", default="", help="echo: points whose name matches, such as '^125B' or '/16$'")
    parser.add_argument("--servers", metavar="NAME", nargs="+", help="some servers only: " + ", ".join(SERVERS))
    parser.add_argument("--rounds", metavar="N", type=int, default=3, help="rounds, of which medians are taken [default: 3]")
    parser.add_argument("--secs", metavar="SECS", type=float, help="length of one run [default: 0.6; with --upgrades 1, with --broadcast 2]")
    parser.add_argument("--list", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.mode = chosen_mode(parser, arguments)
    servers, base = arguments.mode.servers, arguments.mode.base
    named = arguments.servers or servers
    if unknown := [name for name in named if name not in servers]:
        parser.error(f"no such server: {', '.join(unknown)}")
    # All figures are ratios to the base, so it always runs.
    arguments.servers = {name: command for name, command in servers.items() if name in named or name == base}
    arguments.points = chosen_points(parser, arguments)
    if arguments.secs is None:
        arguments.secs = arguments.mode.secs
    if arguments.rounds < 1 or not 0.05 <= arguments.secs <= 60:
        parser.error("--rounds is at least 1, --secs between 0.05 and 60")
    return arguments


def chosen_mode(parser, arguments):
    if arguments.compressed and (arguments.upgrades or arguments.broadcast):
        parser.error("--compressed is for echo and --idle")
    if arguments.upgrades:
        return modes.Upgrades()
    if arguments.broadcast:
        return modes.Broadcast()
    if arguments.idle:
        return modes.CompressedIdle() if arguments.compressed else modes.Idle()
    return modes.CompressedEcho() if arguments.compressed else modes.Echo()


def chosen_points(parser, arguments):
    mode = arguments.mode
    if not isinstance(mode, modes.Echo):
        if arguments.quick or arguments.points:
            parser.error("--quick and --points are for echo")
        if any(number < 1 for number in arguments.connections or []):
            parser.error("--connections is at least 1")
        return mode.points_of(arguments.connections) if arguments.connections else mode.points
    if arguments.connections:
        parser.error("--connections is for --upgrades, --idle and --broadcast")
    points = mode.quick_points if arguments.quick and not arguments.compressed else mode.points
    try:
        points = [point for point in points if re.search(arguments.points, point)]
    except re.error as error:
        parser.error(f"--points: {error}")
    return points or parser.error("--points: none matches")


def prepare(arguments):
    """What the servers and the load generator inherit: one core, long turns on it, many sockets."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        # Neither side interrupts the other whenever something arrives for it.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError:
        pass
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = max(map(arguments.mode.connections, arguments.points)) + FILES_BESIDES
    if needed > hard:
        say(f"error: {needed} descriptors are needed, and the system allows {hard} (ulimit -Hn): "
            "raise that as root, or measure fewer connections")
        sys.exit(2)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))


def measure_undisturbed(mode, command, point, secs):
    """The run in which others had the core least."""
    best = None
    for _ in range(1 + REPEATS):
        run = measure([*command, *mode.flags(point)], mode.name, mode.options(point, secs), secs + mode.patience)
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
        for number in range(arguments.rounds):
            for name, command in arguments.servers.items():
                if (name, point) in failures:
                    continue
                try:
                    runs[point][name].append(measure_undisturbed(arguments.mode, command, point, arguments.secs))
                except Failure as failure:
                    failures.append((name, point))
                    say(f"error: {name} at {point}: {failure}")
            if not isinstance(arguments.mode, modes.Echo):
                say(f"{point}: round {number + 1} of {arguments.rounds}, {time.monotonic() - began:.0f} s")
        say(f"{point}: done, {len(runs)} of {len(arguments.points)} points, {time.monotonic() - began:.0f} s")
    # Where a server failed once, its other rounds are no figures.
    for name, point in failures:
        runs[point][name] = []
    return runs, failures


def main():
    arguments = parse_arguments()
    # For run.sh: what to build.
    if arguments.list:
        print("\n".join(dict.fromkeys(["loadgen", *(command[0] for command in arguments.servers.values())])))
        return
    prepare(arguments)
    runs, failures = measure_all(arguments)
    report.print_report(arguments, runs)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
