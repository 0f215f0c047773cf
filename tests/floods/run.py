"""Floods and faults against our echo server, over loopback, with a good peer beside them.

Usage: run.py [--quick] [--only ID]... FOLDER
where FOLDER holds the examples, such as target/release/examples.

  --quick      smaller counts and no long waits: about a minute
  --only ID    rows of which the id has this in it, such as TR8

Prints a line for each row: its id, what was done, what was asserted, the most memory that the
server had meanwhile and how much it has afterwards, both beyond what it began with, and the worst
echo of a peer that has small messages echoed all the time. Linux only. Exit code: 0 if all is as
it should be, 1 otherwise.
"""

import argparse
import resource
import sys
import time

import ends
import faults
import floods
import held
from rows import ROWS
from server import KEPT, SLACK, Server, Watch

assert floods and held and faults and ends  # they put their rows on the list


def warm_up(server):
    """Has it make what it keeps, so that rows begin from the same."""
    for name in ("FR1–FR18", "TR3 HS37"):
        next(row for row in ROWS if row.id == name).run(server, True)


def run(row, server, base, options):
    """Runs a row: whether all was as it should be, and what to say of it."""
    began = time.monotonic()
    memory, opened = "", []

    def open_server(**limits):
        own = Server(options.folder, **limits)
        opened.append((own, own.usage(), Watch(own)))
        return own

    try:
        if row.own:
            said = row.run(open_server, options.quick)
            for own, before, watch in opened:
                watch.stop()
                during = max(0, watch.memory - before.memory)
                memory = f"; memory +{during >> 10} KiB; worst echo {1000 * own.good.worst:.1f} ms"
        else:
            server.good.begin()
            watch = Watch(server)
            try:
                said = row.run(server, options.quick)
            finally:
                watch.stop()
                during = max(0, watch.memory - base.memory)
                memory = f"; memory +{during >> 10} KiB"
            after = server.settle(base)
            memory += f", +{(after.memory - base.memory) >> 10} KiB after"
            server.good.check()
            memory += f"; worst echo {1000 * server.good.worst:.1f} ms"
        bound = row.bound(options.quick) + KEPT + SLACK
        assert during <= bound, f"{said}, but it had {during >> 10} KiB more, not {bound >> 10}"
        is_ok, result = True, f"ok {row.id}: {row.done}: {said}"
    except (AssertionError, OSError) as error:
        what = str(error) or type(error).__name__
        is_ok, result = False, f"FAILED {row.id}: {row.done}: {what}"
        for own, _, _ in opened:
            own.__exit__()
    return is_ok, f"{result}{memory}; {time.monotonic() - began:.1f} s"


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("folder")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    if {"-h", "--help"} & set(sys.argv):
        sys.exit(print(__doc__.strip()))
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = [
        row for row in ROWS
        if not (row.full_only and options.quick)
        and (not options.only or any(part in row.id for part in options.only))
    ]
    if not rows:
        parser.error("no row has such an id")
    began, failed = time.monotonic(), 0
    server = base = None
    try:
        for row in rows:
            if not row.own and server is None:
                server = Server(options.folder)
                warm_up(server)
                base = server.usage()
            is_ok, line = run(row, server, base, options)
            print(line, flush=True)
            if not is_ok:
                failed += 1
                # What is left of it is not the next row's.
                if server:
                    server.__exit__()
                server = None
    finally:
        if server:
            server.__exit__()
    print(f"{len(rows)} rows, {failed} failed, {time.monotonic() - began:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
