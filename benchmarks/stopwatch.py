"""What a process of its own measures, as JSON on its standard output: times side by side, or memory.

``python benchmarks/stopwatch.py times WORKLOAD...``, ``gains WORKLOAD...``, ``growth``, ``libraries`` or
``memory WORKLOAD STAGE CONTENDER``;
benchmarks/speed.py starts these, with the threads and the allocator that it wants to know about.
"""

import ctypes
import gc
import inspect
import json
import os
import pkgutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from threadpoolctl import threadpool_info
from workloads import LARGE, LATE, STAGES, WORKLOADS, Workload, contenders

import impl.conv
from impl.tiles import Tile

__all__ = ["GAINS", "GROWN", "ROUNDS", "gains", "growth", "medians", "times"]

ROUNDS = 7
# A measurement takes at least so long; what is shorter is repeated.
LEAST = 0.02
# Threads go on spinning when their work is done, PyTorch's for some ms and those of OpenBLAS for 100, and would slow
# whoever comes next: so that one waits.
REST, REST_OF_PYTORCH = 0.2, 0.05

# How time grows: in which field, and over which problems.
GROWN = {
    "batch": [Workload("conv2d", n, 16, 28, 3, 1, 1, filters=16) for n in (1, 2, 4, 8, 16, 32, 64)],
    "size": [Workload("conv2d", 1, 8, size, 3, 1, 1, filters=8) for size in (8, 16, 32, 64, 128, 256, 512)],
    "channels": [Workload("conv2d", 4, c, 14, 3, 1, 1, filters=c) for c in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)],
}


def medians(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each, taken in turn so that what the machine does meets all alike."""
    repeats = {}
    for name, way in ways.items():
        way()
        started = time.perf_counter()
        way()
        repeats[name] = max(1, int(LEAST / (time.perf_counter() - started)))
        rest(name)
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            way()  # the caches are full of what others did
            started = time.perf_counter()
            for _ in range(repeats[name]):
                way()
            found[name].append((time.perf_counter() - started) / repeats[name])
            rest(name)
    return {name: median(several) for name, several in found.items()}


def rest(name: str) -> None:
    """Wait until the threads of one are asleep."""
    if torch.get_num_threads() > 1:
        time.sleep(REST_OF_PYTORCH if name == "torch" else REST)


def times(*names: str, rounds: int = ROUNDS) -> dict[str, dict[str, dict[str, float]]]:
    """Seconds by workload, stage and contender."""
    return {name: {stage: medians(contenders(WORKLOADS[name], stage), rounds) for stage in STAGES} for name in names}


def growth(rounds: int = ROUNDS) -> dict[str, list[tuple[int, dict[str, float]]]]:
    """What grows, and seconds of impl and PyTorch, forward."""
    found: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for kind, problems in GROWN.items():
        for problem in problems:
            ways = contenders(problem, "forward")
            two = {name: ways[name] for name in ("impl", "torch")}
            found.setdefault(kind, []).append((getattr(problem, kind), medians(two, rounds)))
    return found


@dataclass(frozen=True)
class Gain:
    """A fast path, what to bind instead to do without it, and the workloads and stage that it is for."""

    words: str
    module: str
    name: str
    instead: Any
    workloads: tuple[str, ...]
    stage: str


def whole_images(images: int, groups: int, rows: int, _: int) -> list[Tile]:
    """Tiles that do not look at the cache."""
    return [Tile(slice(image, image + 1), slice(0, groups), slice(0, rows)) for image in range(images)]


GAINS = (
    Gain("tiles, not whole images", "impl.conv", "tiles", whole_images, ("b", "c", "f"), "forward"),
    Gain("images shared among threads, not products", "impl.threads", "WORTH_SHARING", 2**60, ("b", "c", "d"), "both"),
    Gain("few places: images side by side", "impl.conv", "FEW", 0, ("4 x 4", "1 x 1"), "both"),
    Gain("backward with the kernel turned around", "impl.conv", "TURNING", 0, ("b", "d", "f"), "both"),
    # a property comes before what an instance has found it to be
    Gain("no columns for 1x1", "impl.geometry.Windows", "pointwise", property(lambda _: False), ("e",), "both"),
    Gain(
        "windows remembered",
        "impl.conv",
        "_laid_out",
        inspect.unwrap(vars(impl.conv)["_laid_out"]),
        ("i",),
        "both",
    ),
)


def gains(*names: str, rounds: int = ROUNDS) -> list[tuple[str, str, str, float]]:
    """For each fast path, workload (of those named) and stage: the time without it over the time with it."""
    found = []
    for gain in GAINS:
        owner = pkgutil.resolve_name(gain.module)
        usual = vars(owner)[gain.name]
        for name in (each for each in gain.workloads if each in names):
            ours = contenders((WORKLOADS | LATE)[name], gain.stage)["impl"]
            bounds = {"with": usual, "without": gain.instead}
            ways = {each: partial(with_bound, owner, gain.name, bound, ours) for each, bound in bounds.items()}
            seconds = medians(ways, rounds)
            found.append((gain.words, name, gain.stage, seconds["without"] / seconds["with"]))
        setattr(owner, gain.name, usual)
    return found


def with_bound(owner: Any, name: str, bound: Any, way: Callable[[], object]) -> object:
    """Compute with a name bound to something."""
    setattr(owner, name, bound)
    return way()


def memory(name: str, stage: str, contender: str) -> int | None:
    """Most bytes that are resident in one call beside its results; None where the system does not tell."""
    workload = (WORKLOADS | LARGE)[name]
    small = replace(workload, batch=1, size=min(workload.size, 32))
    contenders(small, stage)[contender]()  # so that libraries and threads are there
    way = contenders(workload, stage)[contender]
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what is kept for later would not be counted
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
    except (AttributeError, OSError):
        return None
    before = resident("VmRSS")
    kept = way()
    peak = resident("VmHWM")
    del kept
    return None if before is None or peak is None else max(0, peak - before - workload.result_bytes(stage))


def resident(field: str) -> int | None:
    """Bytes of this process in memory now (VmRSS) or at the most (VmHWM)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def libraries() -> dict[str, object]:
    """What BLAS chose, and what PyTorch did."""
    blas = [each["architecture"] for each in threadpool_info() if each["user_api"] == "blas"]
    return {"blas": ", ".join(blas), "torch": torch.backends.cpu.get_cpu_capability()}


def main(what: str, *arguments: str) -> None:
    """Measure and print."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_grad_enabled(False)
    known: dict[str, Callable[..., object]] = {
        "times": times,
        "growth": growth,
        "gains": gains,
        "memory": memory,
        "libraries": libraries,
    }
    found = known[what](*arguments)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
