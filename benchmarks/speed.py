"""How fast impl is: beside PyTorch, the bare matrix products and the textbook's im2col.

``python benchmarks/speed.py`` measures in processes of their own, some for each number of threads and each allocator,
and writes docs/speed.json, the tables of docs/speed.md and the pictures. It takes about half an hour, on a machine
that does nothing else. ``--only`` measures some workloads anew, and ``--page`` makes the page from docs/speed.json.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import exp, log, log2
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import torch
from pages import DOCS, fill_in, table
from pictures import BLUE, GREEN, GREY, ORANGE, pyplot, saved
from rich.progress import track
from workloads import CONVOLUTIONS, LARGE, LATE, POOLS, STAGES, WORKLOADS

from convgate.results.files import write_text

__all__ = ["IM2COL", "SPEED", "TARGETS", "geometric_mean", "ratio", "slope", "tables_of"]

FIGURES = DOCS / "speed.json"
# The tables of each page.
SPEED = ("machine", "targets", "two threads", "one thread", "warmed", "memory", "growth")
IM2COL = ("gains",)
PROCESSES = 3
THREADS = (1, 2)
# What is freed goes back to the system and is cleared page by page the next time, unless the allocator keeps it.
ALLOCATORS = {"default": {}, "warmed": {"MALLOC_TRIM_THRESHOLD_": str(2**36), "MALLOC_MMAP_THRESHOLD_": str(2**36)}}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LARGE_FIVE = tuple("abcde")
# A factor between processes from which on something else was at work.
LARGE_SPREAD = 1.3

# What is aimed at, with two threads, as ratios to PyTorch: which figures, and the most that they may be.
Figures = Mapping[str, Any]
TARGETS: dict[str, tuple[Callable[[Figures], float], float]] = {
    "(a) to (e), forward, geometric mean": (lambda f: mean_of(f, LARGE_FIVE, "forward"), 1.0),
    "(a) to (e), forward and backward, geometric mean": (lambda f: mean_of(f, LARGE_FIVE, "both"), 1.0),
    "(a) to (e), the largest": (lambda f: max(two(f, n, s) for n in LARGE_FIVE for s in STAGES), 1.6),
    "(f), the larger": (lambda f: max(two(f, "f", stage) for stage in STAGES), 4.0),
    "(g), forward, the largest": (lambda f: max(two(f, name, "forward") for name in POOLS), 1.0),
    "(g), forward and backward, the largest": (lambda f: max(two(f, name, "both") for name in POOLS), 1.5),
    "(i), forward": (lambda f: two(f, "i", "forward"), 3.0),
    "(a) to (e), forward, warmed allocator, geometric mean": (
        lambda f: mean_of(f, LARGE_FIVE, "forward", "warmed"),
        1.5,
    ),
    "(a) to (e), forward and backward, warmed allocator, geometric mean": (
        lambda f: mean_of(f, LARGE_FIVE, "both", "warmed"),
        1.5,
    ),
}


def measured(what: Iterable[str], threads: int, allocator: str = "default", *, script: str = "stopwatch.py") -> Any:
    """What a process of its own measures."""
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | ALLOCATORS[allocator]
    command = [sys.executable, str(Path(__file__).with_name(script)), *what]
    return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)


def measure() -> dict[str, Any]:
    """Everything, process by process."""
    found: dict[str, Any] = {"machine": machine(), "times": times_of(WORKLOADS), "memory": memory_of(WORKLOADS | LARGE)}
    found["growth"] = [measured(["growth"], max(THREADS)) for _ in track(range(PROCESSES), "growth", transient=True)]
    found["gains"] = measured(["gains", *WORKLOADS, *LATE], max(THREADS))
    return found


def measure_again(figures: dict[str, Any], names: Sequence[str]) -> None:
    """Measure times, memory and gains of some workloads, in place of the figures that are there.

    Raises
    ------
    click.ClickException
        If the figures are of another machine.
    """
    if (here := machine()) != figures["machine"]:
        raise click.ClickException(
            f"{FIGURES.name} is of {figures['machine']}, and this is {here}; measure all, without --only"
        )
    anew = times_of(names)
    for setting, processes in figures["times"].items():
        for process, times in zip(processes, anew[setting], strict=True):
            process.update(times)
    figures["memory"].update(memory_of(names))
    gains = {tuple(of): gain for *of, gain in figures["gains"] + measured(["gains", *names], max(THREADS))}
    figures["gains"] = [[*of, gain] for of, gain in gains.items()]


def times_of(names: Iterable[str]) -> dict[str, Any]:
    """Times of some workloads by setting, process by process."""
    settings = [(threads, "default") for threads in THREADS] + [(max(THREADS), "warmed")]
    # in turn, so that what the machine does meanwhile meets all of them
    runs = [(threads, allocator) for _ in range(PROCESSES) for threads, allocator in settings]
    found: dict[str, Any] = {}
    for threads, allocator in track(runs, "times", transient=True):
        found.setdefault(f"{threads} {allocator}", []).append(measured(["times", *names], threads, allocator))
    return found


def memory_of(names: Iterable[str]) -> dict[str, Any]:
    """Most bytes beside the results, by workload, stage and contender, each in a process of its own."""
    wanted = [(name, stage, who) for name in names for stage in STAGES for who in ("impl", "torch")]
    found: dict[str, Any] = {}
    for name, stage, who in track(wanted, "memory", transient=True):
        extra = measured(["memory", name, stage, who], max(THREADS))
        found.setdefault(name, {}).setdefault(stage, {})[who] = extra
    return found


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    processor = platform.processor() or "?"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    libraries = measured(["libraries"], max(THREADS))
    return {
        "processor": f"{processor}, {os.cpu_count()} cores",
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "NumPy": f"{np.__version__}, OpenBLAS with its kernels for {libraries['blas']}"
        + (", chosen by OPENBLAS_CORETYPE" if "OPENBLAS_CORETYPE" in os.environ else ""),
        "PyTorch": f"{torch.__version__}, with {libraries['torch']}",
    }


def seconds(figures: Figures, setting: str, name: str, stage: str, who: str) -> float:
    """Median over the processes."""
    return float(median(process[name][stage][who] for process in figures["times"][setting]))


def ratio(figures: Figures, setting: str, name: str, stage: str, who: str = "impl") -> float:
    """Time over that of PyTorch in the same process; the median over the processes."""
    several = (process[name][stage] for process in figures["times"][setting])
    return float(median(each[who] / each["torch"] for each in several))


def spread(figures: Figures) -> str:
    """How far the processes differ: the longest time over the shortest."""
    factors = []
    for processes in figures["times"].values():
        for name, stages in processes[0].items():
            for stage, times in stages.items():
                several = [[process[name][stage][who] for process in processes] for who in times]
                factors += [max(each) / min(each) for each in several]
    large = sum(factor > LARGE_SPREAD for factor in factors)
    return f"{shown(median(factors))} at the median, over {LARGE_SPREAD} for {large} of {len(factors)} times"


def growth_of(figures: Figures, kind: str) -> list[tuple[int, dict[str, float]]]:
    """How time grows: sizes and seconds, medians over the processes."""
    found = []
    for several in zip(*(process[kind] for process in figures["growth"]), strict=True):
        times = {who: median(each[who] for _, each in several) for who in ("impl", "torch")}
        found.append((several[0][0], times))
    return found


def two(figures: Figures, name: str, stage: str, allocator: str = "default") -> float:
    """The ratio with two threads."""
    return ratio(figures, f"{max(THREADS)} {allocator}", name, stage)


def geometric_mean(ratios: Iterable[float]) -> float:
    """The mean of ratios."""
    logs = [log(each) for each in ratios]
    return exp(sum(logs) / len(logs))


def mean_of(figures: Figures, names: Iterable[str], stage: str, allocator: str = "default") -> float:
    """Geometric mean of the ratios with two threads."""
    return geometric_mean(two(figures, name, stage, allocator) for name in names)


def slope(points: Iterable[tuple[int, Mapping[str, float]]], who: str) -> float:
    """The exponent with which time grows over the larger half of the sizes: least squares on logarithms."""
    larger = list(points)
    larger = larger[len(larger) // 2 :]
    sizes = np.log([size for size, _ in larger])
    times = np.log([found[who] for _, found in larger])
    return float(np.polyfit(sizes, times, 1)[0])


def shown(value: float) -> str:
    """A time or ratio with three digits."""
    return f"{value:.3g}"


def described(name: str) -> str:
    """A workload in words."""
    w = WORKLOADS[name]
    sizes = f"N{w.batch} C{w.channels} {w.size} x {w.size}" + (f" O{w.filters}" if w.filters else "")
    options = f"k{w.kernel} s{w.stride} p{w.padding}" + (f" g{w.groups}" if w.groups > 1 else "")
    return f"{sizes} {options}"


def ratios_table(figures: Figures, setting: str) -> str:
    """Times of impl, and ratios to PyTorch, in one setting."""
    head = ("", "problem", "stage", "impl, ms", "PyTorch, ms", "impl", "textbook", "product", "GFLOP/s or GB/s")
    rows = []
    for name, workload in WORKLOADS.items():
        for stage in STAGES:
            ours, theirs = (seconds(figures, setting, name, stage, who) for who in ("impl", "torch"))
            others = figures["times"][setting][0][name][stage]
            relative = (
                shown(ratio(figures, setting, name, stage, who)) if who in others else ""
                for who in ("textbook", "product")
            )
            rate = (
                f"{workload.operations(stage) / ours / 1e9:.3g} GFLOP/s"
                if name in CONVOLUTIONS
                else f"{workload.traffic(stage) / ours / 1e9:.3g} GB/s"
            )
            first = (
                (f"({name[0]})", described(name))
                if name in CONVOLUTIONS
                else (f"({name[0]})", f"{name[3:6]} {described(name)}")
            )
            rows.append(
                (
                    *first,
                    {"forward": "forward", "both": "and backward"}[stage],
                    shown(1e3 * ours),
                    shown(1e3 * theirs),
                    f"**{shown(ratio(figures, setting, name, stage))}**",
                    *relative,
                    rate,
                )
            )
    return table(head, rows)


def targets_table(figures: Figures) -> str:
    """What was aimed at, and what came of it."""
    rows = []
    for words, (value, most) in TARGETS.items():
        reached = value(figures)
        rows.append((words, shown(most), shown(reached), "yes" if reached <= most else "no"))
    extra = [stage["impl"] for each in figures["memory"].values() for stage in each.values()]
    known = [each / 2**20 for each in extra if each is not None]
    if known:
        rows.append(
            ("MiB beside the results, the most", "64", f"{max(known):.0f}", "yes" if max(known) <= 64 else "no")
        )
    return table(("times over PyTorch's, with two threads", "at most", "measured", "met"), rows)


def memory_table(figures: Figures) -> str:
    """Most memory beside the results."""
    rows = []
    for name, stages in figures["memory"].items():
        mib = [
            "?" if stage[who] is None else f"{stage[who] / 2**20:.1f}"
            for stage in stages.values()
            for who in ("impl", "torch")
        ]
        rows.append((f"({name})", *mib))
    head = (
        "MiB beside the results",
        "impl, forward",
        "PyTorch, forward",
        "impl, and backward",
        "PyTorch, and backward",
    )
    return table(head, rows)


def growth_table(figures: Figures) -> str:
    """How time grows."""
    rows = []
    for kind in figures["growth"][0]:
        points = growth_of(figures, kind)
        sizes = [size for size, _ in points]
        exponents = (f"{slope(points, who):.2f}" for who in ("impl", "torch"))
        rows.append((kind, f"{sizes[len(sizes) // 2]} to {sizes[-1]}", *exponents))
    return table(("what grows", "from and to", "exponent of impl", "of PyTorch"), rows)


def gains_table(figures: Figures) -> str:
    """What each fast path gains."""
    stages = {"forward": "forward", "both": "forward and backward"}
    rows = [(words, f"({name})", stages[stage], f"{gain:.2f}") for words, name, stage, gain in figures["gains"]]
    return table(("fast path", "problem", "stage", "time without it / with it"), rows)


def tables_of(figures: Figures) -> dict[str, str]:
    """All tables of the page."""
    machine_rows = [*figures["machine"].items(), ("longest over shortest of the processes", spread(figures))]
    return {
        "machine": table(("", ""), machine_rows),
        "targets": targets_table(figures),
        "two threads": ratios_table(figures, "2 default"),
        "one thread": ratios_table(figures, "1 default"),
        "warmed": ratios_table(figures, "2 warmed"),
        "memory": memory_table(figures),
        "growth": growth_table(figures),
        "gains": gains_table(figures),
    }


def draw_ratios(figures: Figures, path: Path) -> None:
    """Draw times over PyTorch's with two threads."""
    figure, axes = pyplot().subplots(1, 2, figsize=(11, 3.8), sharey=True, layout="constrained")
    names = list(WORKLOADS)
    for axis, stage, title in zip(axes, STAGES, ("forward", "forward and backward"), strict=True):
        axis.axhline(0, color=GREY, linewidth=1)
        for shift, who, colour, label in (
            (-0.25, "textbook", ORANGE, "textbook"),
            (0, "impl", BLUE, "impl"),
            (0.25, "product", GREEN, "bare product"),
        ):
            there = [n for n in names if who in figures["times"]["2 default"][0][n][stage]]
            heights = [log2(ratio(figures, "2 default", n, stage, who)) for n in there]
            axis.bar([names.index(n) + shift for n in there], heights, 0.25, color=colour, label=label)
        axis.set_xticks(range(len(names)), [n.replace("g, ", "").replace(" ", "\n") for n in names])
        axis.set_title(title)
    ticks = range(-4, 6)
    axes[0].set_yticks(ticks, [f"{2.0**tick:g}" for tick in ticks])
    axes[0].set_ylabel("time / PyTorch's")
    axes[0].legend(frameon=False, fontsize=9)
    saved(figure, axes, path)


def draw_growth(figures: Figures, path: Path) -> None:
    """Draw how time grows."""
    figure, axes = pyplot().subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    for axis, kind in zip(axes, figures["growth"][0], strict=True):
        points = growth_of(figures, kind)
        for who, colour, label in (("impl", BLUE, "impl"), ("torch", ORANGE, "PyTorch")):
            sizes = [size for size, _ in points]
            axis.plot(sizes, [1e3 * found[who] for _, found in points], color=colour, marker="o", label=label)
        axis.set_xscale("log", base=2)
        axis.set(yscale="log", xlabel=kind)
    axes[0].set_ylabel("ms, forward")
    axes[0].legend(frameon=False, fontsize=9)
    saved(figure, axes, path)


@click.command()
@click.option("--page", is_flag=True, help="Make the page from docs/speed.json, without measuring.")
@click.option(
    "--only", type=click.Choice(list(WORKLOADS)), multiple=True, help="Measure this workload anew, and keep the others."
)
def main(*, page: bool, only: Sequence[str]) -> None:
    """Measure how fast impl is, and write docs/speed.md."""
    if page and only:
        raise click.UsageError("--page measures nothing and --only does; leave one of them out")
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if page or only else measure()
    if only:
        measure_again(figures, only)
    if not page:
        write_text(FIGURES, json.dumps(figures, indent=1) + "\n")
    draw_ratios(figures, DOCS / "pictures" / "speed.svg")
    draw_growth(figures, DOCS / "pictures" / "growth.svg")
    tables = tables_of(figures)
    for file, names in {"speed.md": SPEED, "im2col.md": IM2COL}.items():
        fill_in(file, {name: tables[name] for name in names}, "benchmarks/speed.py")


if __name__ == "__main__":
    main()
