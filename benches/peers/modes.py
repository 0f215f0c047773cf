"""What is measured: for each mode its servers, its points, what the load generator is told, and the tables."""

import report
from servers import BASE, BROADCAST_SERVERS, COMPRESSED_BASE, COMPRESSED_SERVERS, SERVERS

UNITS = {"B": 1, "K": 1024, "M": 1024 * 1024}

WARMUP = 0.15


class Mode:
    """A mode; its points are numbers of connections, if it does not say otherwise."""

    # The mode of the load generator, the servers and what they are compared with.
    name, servers, base = "", SERVERS, BASE
    # How long one run is by default, and how long a server may take besides.
    secs, patience = 1.0, 60
    points, about = [], ""
    # The figure whose spread over the rounds is told.
    steady = "server_us"

    def flags(self, point):
        """What the server's command line has besides."""
        return []

    def options(self, point, secs):
        return {"connections": int(point), "warmup": WARMUP, "secs": secs}

    def points_of(self, connections):
        """The points for these numbers of connections."""
        return [str(number) for number in connections]

    def connections(self, point):
        return int(point)

    def is_timed(self):
        return True

    def print_tables(self, runs, servers):
        raise NotImplementedError


class Echo(Mode):
    name, secs, patience = "echo", 0.6, 30
    # Payload/connections/messages sent before a reply is awaited.
    points = [
        "125B/1/1", "16B/100/1", "125B/100/1", "125B/1000/1", "1K/100/1", "16K/100/1", "64K/10/1", "1M/10/1",
        "16B/10/16", "125B/100/16", "125B/1000/16", "1K/10/16", "16K/10/16", "64K/10/16",
        "1K/10/16/text", "16K/10/1/text",
    ]
    quick_points = ["125B/100/1", "16K/100/1", "64K/10/1", "125B/100/16"]
    about = "Points are payload/connections/pipeline."

    def flags(self, point):
        return ["--takeover"] if point.endswith("/takeover") else []

    def options(self, point, secs):
        payload, connections, pipeline, kind = (point + "/binary").split("/")[:4]
        return {
            "payload": int(payload[:-1]) * UNITS[payload[-1]], "connections": connections, "pipeline": pipeline,
            "kind": kind, "warmup": WARMUP, "secs": secs,
        }

    def connections(self, point):
        return int(point.split("/")[1])

    def print_tables(self, runs, servers):
        report.print_ratios(f"Throughput × {self.base}", report.throughput, runs, servers, self.base)
        capacity = f"Capacity × {self.base} ({self.base}'s CPU time per message ÷ the server's)"
        report.print_ratios(capacity, report.capacity, runs, servers, self.base)
        if self.base == COMPRESSED_BASE:
            report.print_reply_sizes(runs, servers)
        report.print_spread(runs, servers)
        report.print_base(runs, self.base)


class CompressedEcho(Echo):
    servers, base = COMPRESSED_SERVERS, COMPRESSED_BASE
    points = ["1K/10/4/json", "16K/10/4/json", "1K/10/4/takeover", "16K/10/4/takeover", "1K/1000/1/takeover"]


class Upgrades(Mode):
    name = "upgrades"
    points = ["64"]
    about = "Each connection ends with a reset as soon as it is upgraded."

    def print_tables(self, runs, servers):
        for point, by in runs.items():
            report.print_columns(f"Upgrades, {point} at a time", [
                report.Column("upgrades/s", "rate", "{:.0f}", report.throughput),
                report.Column("server CPU µs", "server_us", "{:.2f}", report.capacity, "capacity"),
                report.Column("load CPU µs", "load_us", "{:.2f}"),
            ], by, servers, self)


class Idle(Mode):
    name, steady = "idle", "upgraded"
    patience = 300
    points = ["10000"]
    about = ("Memory is what the server's process has of its own (Private_Clean and Private_Dirty of smaps_rollup), "
             "less what it had with 16 connections that had echoed, per connection.")

    def flags(self, point):
        return ["--takeover"] if point.endswith("/takeover") else []

    def options(self, point, secs):
        connections, kind = (point + "/binary").split("/")[:2]
        return {"connections": connections, "kind": kind}

    def connections(self, point):
        return int(point.split("/")[0])

    def is_timed(self):
        return False

    def print_tables(self, runs, servers):
        for point, by in runs.items():
            report.print_columns(f"Bytes per idle connection, {point}", [
                report.Column("upgraded", "upgraded", "{:.0f}", report.share_of("upgraded")),
                report.Column("after one echo of 125 B", "echoed", "{:.0f}", report.share_of("echoed")),
            ], by, servers, self, is_smaller_better=True)


class CompressedIdle(Idle):
    servers, base = COMPRESSED_SERVERS, COMPRESSED_BASE
    points = ["10000/json", "10000/takeover"]

    def points_of(self, connections):
        return [f"{number}/{kind}" for number in connections for kind in ("json", "takeover")]


class Broadcast(Mode):
    name, servers, secs = "broadcast", BROADCAST_SERVERS, 2.0
    points = ["1000", "10000"]
    about = "Messages of 125 B; the next one is sent when all members have the one before."

    def print_tables(self, runs, servers):
        for point, by in runs.items():
            report.print_columns(f"Broadcast to {point} members", [
                report.Column("deliveries/s", "rate", "{:.0f}", report.throughput),
                report.Column("last member has it after ms", "delay_ms", "{:.2f}"),
                report.Column("server CPU µs per delivery", "server_us", "{:.3f}", report.capacity, "capacity"),
                report.Column("load CPU µs", "load_us", "{:.3f}"),
            ], by, servers, self)
