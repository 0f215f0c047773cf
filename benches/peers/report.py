"""Markdown tables: medians, their ratios to the base, and how far the rounds are apart."""

import dataclasses
import statistics
import typing

# Where rounds are further apart, in percent, medians say little.
MAX_SPREAD = 10


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def throughput(runs, base):
    return median(runs, "rate") / median(base, "rate")


def capacity(runs, base):
    return median(base, "server_us") / median(runs, "server_us")


def share_of(key):
    """The ratio of a figure to the base's; none if that is nothing."""
    return lambda runs, base: median(runs, key) / median(base, key) if median(base, key) > 0 else None


@dataclasses.dataclass
class Column:
    """A figure, and its ratio to the base's if it has one."""

    title: str
    key: str
    form: str
    ratio: typing.Callable | None = None
    ratio_name: str = ""


def print_columns(title, columns, by, servers, mode, is_smaller_better=False):
    """A row for each server, the best first by the last ratio, for one point."""
    header = []
    for column in columns:
        header += [column.title, f"{column.ratio_name} × {mode.base}".strip()] if column.ratio else [column.title]
    print_header(title, "server", [*header, "spread %"])
    rows = []
    for name in servers:
        runs, base = by[name], by[mode.base]
        cells, rank = [], None
        for column in columns:
            cells.append(column.form.format(median(runs, column.key)) if runs else "failed")
            if column.ratio:
                ratio = column.ratio(runs, base) if runs and base else None
                cells.append("–" if ratio is None else f"{ratio:.2f}")
                rank = ratio if ratio is not None else rank
        worst = float("inf") if is_smaller_better else 0
        rows.append((worst if rank is None else rank, name, [*cells, spread(runs, mode.steady)]))
    for _, name, cells in sorted(rows, key=lambda row: row[0], reverse=not is_smaller_better):
        print_row(name, cells)
    unsteady = [name for _, name, cells in rows if cells[-1].isdigit() and int(cells[-1]) > MAX_SPREAD]
    if unsteady:
        print(f"\nThe rounds of {', '.join(unsteady)} are more than {MAX_SPREAD} % apart: run it again.")


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
        print_row(name, [spread(by[name], "server_us") for by in runs.values()])


def spread(runs, key):
    if len(runs) < 2:
        return "–"
    figures = [run[key] for run in runs]
    middle = statistics.median(figures)
    return f"{(max(figures) - min(figures)) / middle * 100:.0f}" if middle > 0 else "–"


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
    mode = arguments.mode
    of_runs = f" of {arguments.secs} s" if mode.is_timed() else ""
    others = f", which others had for up to {max(every, default=0) * 100:.0f} % of a run" if mode.is_timed() else ""
    print(f"Medians of {arguments.rounds} interleaved rounds{of_runs}, loopback, TCP with {congestion}, "
          f"server and load on one core{others}. {mode.about}")
    mode.print_tables(runs, arguments.servers)
