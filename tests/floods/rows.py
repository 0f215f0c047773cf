"""The list that rows put themselves on."""

from typing import Callable, NamedTuple

from server import MIB


class Row(NamedTuple):
    id: str
    done: str
    # How much more memory the server may have meanwhile, in bytes.
    bound: Callable[[bool], int]
    full_only: bool
    # It has servers of its own.
    own: bool
    run: Callable


ROWS = []


def row(id, done, bound=MIB, full_only=False, own=False):
    """Has a function run as a row: `run(server, quick)`, or `run(folder, quick)` with servers of
    its own. It says what it asserted."""

    def put(run):
        bytes_of = bound if callable(bound) else lambda _: bound
        ROWS.append(Row(id, done, bytes_of, full_only, own, run))
        return run

    return put
