"""How far real sums stay under the error bound, and how much too narrow an accumulator must be to cross it.

``python benchmarks/numerics.py`` measures, writes docs/pictures/numerics.svg and the tables in docs/numerics.md.
It needs matplotlib (``pip install --group docs``) and about a minute. Data and results are those of fixed seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pages import DOCS, fill_in, table
from pictures import BLUE, GREEN, GREY, ORANGE, pyplot, saved

import impl
from convgate.cases.case import Case, broken_rule, lattice_of_case, values_of
from convgate.cases.dtypes import DTYPES
from convgate.judging.compare import Bound, compare
from convgate.oracle_list import torch_oracle
from convgate.problems.axis import make_axes
from convgate.problems.operators import OPERATORS, perform
from convgate.problems.problem import Problem
from convgate.sources.fuzz import draw_cases
from convgate.sources.profiles import PROFILES, SHARD

Array = NDArray[Any]

BITS = {"f32": 24, "f64": 53}
TERMS = tuple(2**k for k in range(13))
SHOWN = (1, 16, 256, 4096)
SEEDS = range(4)
PIXELS = (4, 8)
LEAST_BITS = 4
MOST_SHARDS = 30

# What is added up: the products of the fill real, whose sum is near 0, or their magnitudes.
DATA = {"both signs": lambda x: x, "one sign": abs}


def one_by_one(terms: Array) -> Array:
    """Add along the first axis in order."""
    return np.asarray(np.add.accumulate(terms, axis=0)[-1])


def in_reverse(terms: Array) -> Array:
    """Add along the first axis, the last term first."""
    return one_by_one(terms[::-1])


def in_pairs(terms: Array) -> Array:
    """Add the sums of both halves."""
    while len(terms) > 1:
        whole = len(terms) // 2 * 2
        terms = np.concatenate([terms[0:whole:2] + terms[1:whole:2], terms[whole:]])
    return np.asarray(terms[0])


def kahan(terms: Array) -> Array:
    """Add in order, and carry along what each addition has lost."""
    total, lost = np.zeros_like(terms[0]), np.zeros_like(terms[0])
    for term in terms:
        addend = term - lost
        larger = total + addend
        lost = (larger - total) - addend
        total = larger
    return np.asarray(total)


SUMS: dict[str, Callable[[Array], Array]] = {
    "in order": one_by_one,
    "in reverse": in_reverse,
    "pairwise": in_pairs,
    "Kahan": kahan,
}
LIBRARIES: dict[str, Callable[[], Any]] = {"impl": lambda: impl, "PyTorch": torch_oracle}
WORST = "in order, worst data found"
NAMES = (*LIBRARIES, *SUMS, WORST)


def case_of(terms: int, dtype: str, seed: int) -> Case:
    """A 1 x 1 convolution whose every output is a sum of so many products."""
    return Case(
        problem=Problem(operator="conv2d", channels=terms, axes=make_axes(size=PIXELS)),
        dtype=dtype,
        fill="real",
        seed=seed,
    )


def truth_of(products: Array) -> tuple[Array, Array]:
    """Exact sums of products along the first axis, and of their magnitudes; the products are pairs of factors."""
    first, second = (np.frompyfunc(Fraction, 1, 1)(factor.astype(float)) for factor in products)
    terms = first * second
    return terms.sum(axis=0), abs(terms).sum(axis=0)


def share(actual: Array, exact: Array, bound: Bound) -> float:
    """The largest error over its bound."""
    errors = (abs(Fraction(float(actual[index])) - exact[index]) / bound.at(index) for index in np.ndindex(exact.shape))
    return float(max(errors))


def measured_shares(terms: int, dtype: str) -> dict[str, float]:
    """Error over bound by implementation: the median over cases of the largest of their entries."""
    found: dict[str, list[float]] = {name: [] for name in (*LIBRARIES, *SUMS)}
    for seed in SEEDS:
        case = case_of(terms, dtype, seed)
        values, call = values_of(case), case.operator.forward(case.problem)
        x, weight = values["x"].reshape(terms, -1), values["weight"].reshape(terms, 1)
        exact, magnitude = truth_of(np.array([x, np.broadcast_to(weight, x.shape)]))
        bound = Bound(magnitude, case.operator.roundings(case.problem)["y"], dtype)
        for name, library in LIBRARIES.items():
            found[name].append(share(perform(library(), call, values)["y"].ravel(), exact, bound))
        for name, add in SUMS.items():
            found[name].append(share(add(x * weight), exact, bound))
    return {name: float(np.median(shares)) for name, shares in found.items()} | {WORST: worst_share(terms, dtype)}


def worst_share(terms: int, dtype: str) -> float:
    """The same for data found by search: each next term is, of 64 tried, that which takes the sum nearest the bound."""
    u, generator = DTYPES[dtype].unit_roundoff, np.random.default_rng(0)
    dtype_of = DTYPES[dtype].type
    total, taken, lost = dtype_of(1), [1.0], 0.0
    for _ in range(terms - 1):
        tried = (generator.integers(1, 129, 64) * u / 32).astype(dtype_of)
        sums = total + tried
        losses = lost + (tried.astype(float) - (sums - total).astype(float))
        best = int(np.argmax(abs(losses) / (sum(taken) + tried)))
        total, lost = sums[best], float(losses[best])
        taken.append(float(tried[best]))
    exact = sum(map(Fraction, taken))
    bound = Bound(np.array([exact], object), terms, dtype)
    actual = one_by_one(np.array(taken, dtype_of)[:, None])
    return share(actual, np.array([exact], object), bound)


def narrowed(numbers: Array, bits: Array) -> Array:
    """Round to so many bits, to nearest and ties to even."""
    mantissa, exponent = np.frexp(numbers)
    return np.asarray(np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits))


def first_caught(terms: int, dtype: str, kind: str) -> int:
    """The widest accumulator that the gate's comparison calls inaccurate, in bits; 0 if none of those tried.

    The products are those of float64, each sum is rounded to the accumulator, and the last to the dtype.
    """
    case = case_of(terms, dtype, 0)
    values = {name: DATA[kind](array) for name, array in values_of(case).items()}
    x, weight = values["x"].reshape(terms, -1), values["weight"].reshape(terms, 1)
    exact, magnitude = truth_of(np.array([x, np.broadcast_to(weight, x.shape)]))
    bound = Bound(magnitude, case.operator.roundings(case.problem)["y"], dtype)
    bits = np.arange(LEAST_BITS, BITS[dtype] + 1)[:, None]
    total = np.zeros((len(bits), x.shape[1]))
    for product in x.astype(float) * weight.astype(float):
        total = narrowed(total + product, bits)
    caught = [
        int(width)
        for width, sums in zip(bits[:, 0], total.astype(DTYPES[dtype].type), strict=True)
        if compare(sums, exact, dtype, bound) is not None
    ]
    return max(caught, default=0)


def expected_first_caught(terms: int, dtype: str, kind: str) -> float:
    """The same by the model of docs/numerics.md: rounding errors are independent, and the largest of 32 counts."""
    share_of_u = 0.25 * terms if kind == "both signs" else 0.15 * terms**1.5
    return float(BITS[dtype] - np.log2(0.25 * terms * (terms + 1) / share_of_u))


def lattices() -> dict[str, tuple[int, int, int, int, int]]:
    """What `lattices_of` says of each operator and dtype, over the random cases of profile pr."""
    found: dict[str, tuple[int, int, int, int, int]] = {}
    for name in OPERATORS:
        shards = min(PROFILES["pr"].shards(OPERATORS[name].weight), MOST_SHARDS)
        cases = [case for part in range(shards) for case in draw_cases(name, 0, part, SHARD, impl)]
        found |= {f"{name} {dtype}": lattices_of([case for case in cases if case.dtype == dtype]) for dtype in DTYPES}
    return found


def lattices_of(cases: Sequence[Case]) -> tuple[int, int, int, int, int]:
    """Most terms, smallest and median magnitude, and number of the cases on the lattice, and of the sparse ones.

    Of the fill lattice alone: the others are made from it, of fewer values or of as many. What must be rejected is left
    out, as nothing of it is added up, and so are arrays of which one image or filter is repeated.
    """
    chosen = [
        case for case in cases if case.fill == "lattice" and case.layout != "broadcast" and broken_rule(case) is None
    ]
    terms = [max(1, *case.operator.roundings(case.problem).values()) for case in chosen]
    found = [lattice_of_case(case) for case in chosen]
    sizes, sparse = [each.magnitude for each in found], [each for each in found if each.met is not None]
    return max(terms), min(sizes), int(np.median(sizes)), len(sizes), len(sparse)


def shares_table(shares: Mapping[tuple[str, str, int], float]) -> str:
    """Error over bound at some numbers of terms."""
    rows = [
        (name, dtype, *(f"{shares[name, dtype, terms]:.2g}" for terms in SHOWN)) for dtype in DTYPES for name in NAMES
    ]
    return table(("", "dtype", *(f"n = {terms}" for terms in SHOWN)), rows)


def widths_table(widths: Mapping[tuple[str, str, int], int]) -> str:
    """The widest accumulator that is called inaccurate."""
    rows = [
        (kind, dtype, *(f"{widths[kind, dtype, terms] or f'< {LEAST_BITS}'}" for terms in SHOWN))
        for dtype in DTYPES
        for kind in DATA
    ]
    return table(("data", "dtype", *(f"n = {terms}" for terms in SHOWN)), rows)


def lattice_table(found: Mapping[str, tuple[int, int, int, int, int]]) -> str:
    """Magnitudes on the lattice, and how often one wrong form in x and w may pass at one entry at worst."""
    rows = []
    for name in (f"{operator} {dtype}" for operator in OPERATORS for dtype in DTYPES):
        terms, least, median, cases, sparse = found[name]
        degree = OPERATORS[name.split()[0]].factors
        chances = [1 - (1 - 1 / (2 * a)) ** degree for a in (least, median)]
        rows.append(
            (
                name,
                f"{cases}",
                f"{sparse}",
                f"{terms}",
                f"{least:,}",
                f"{chances[0]:.2g}",
                f"{median:,}",
                f"{chances[1]:.2g}",
            )
        )
    return table(("", "cases", "sparse", "most terms", "least a", "chance", "median a", "chance"), rows)


COLOURS = dict(zip(NAMES, (BLUE, "#8a63d2", ORANGE, "#b8860b", GREEN, "#c2508f", "#d64545"), strict=True))


def draw(shares: Mapping[tuple[str, str, int], float], widths: Mapping[tuple[str, str, int], int], path: Path) -> None:
    """Draw both measurements."""
    figure, axes = pyplot().subplots(1, 3, figsize=(13, 4.4), width_ratios=(1, 1, 1), layout="constrained")
    for axis, (dtype, title) in zip(axes, {"f32": "float32", "f64": "float64"}.items(), strict=False):
        axis.axhline(1, color=GREY, linewidth=1, linestyle="--")
        axis.annotate("the bound", (1, 1), xytext=(0, 4), textcoords="offset points", color=GREY)
        for name in NAMES:
            line = [shares[name, dtype, terms] or np.nan for terms in TERMS]
            # PyTorch mostly adds these in order, so its line lies below another and is drawn wider
            wide = {"linewidth": 5, "alpha": 0.45} if name == "PyTorch" else {"linewidth": 1.6}
            axis.plot(TERMS, line, color=COLOURS[name], marker="o", markersize=3, label=name, **wide)
        axis.set(xscale="log", yscale="log", ylim=(5e-6, 3), xlabel="terms of a sum, n", title=title)
        axis.set_xscale("log", base=2)
    axes[0].set_ylabel("error / bound")
    for dtype, colour in {"f32": BLUE, "f64": ORANGE}.items():
        for kind, marker, dashes in zip(DATA, "os", ("-", "--"), strict=True):
            below = [BITS[dtype] - widths[kind, dtype, terms] for terms in TERMS]
            model = [BITS[dtype] - expected_first_caught(terms, dtype, kind) for terms in TERMS]
            axes[2].plot(TERMS, model, color=GREY, linewidth=1, linestyle=dashes, zorder=0)
            axes[2].plot(
                TERMS,
                below,
                color=colour,
                linewidth=0,
                marker=marker,
                markersize=5,
                label=f"{dtype}, {kind}",
                alpha=0.9,
            )
    axes[2].plot([], [], color=GREY, linewidth=1, label="model")
    axes[2].set(xlabel="terms of a sum, n", ylabel="bits that an accumulator lacks", ylim=(0, 14))
    axes[2].set_title("called inaccurate from here up")
    axes[2].set_xscale("log", base=2)
    axes[2].legend(frameon=False, fontsize=9)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=7, frameon=False, fontsize=9)
    saved(figure, axes, path)


def main() -> None:
    """Measure all and write the picture and the page."""
    shares = {
        (name, dtype, terms): found
        for dtype in DTYPES
        for terms in TERMS
        for name, found in measured_shares(terms, dtype).items()
    }
    widths = {
        (kind, dtype, terms): first_caught(terms, dtype, kind) for kind in DATA for dtype in DTYPES for terms in TERMS
    }
    tables = {
        "shares": shares_table(shares),
        "widths": widths_table(widths),
        "lattices": lattice_table(lattices()),
    }
    draw(shares, widths, DOCS / "pictures" / "numerics.svg")
    fill_in("numerics.md", tables, "benchmarks/numerics.py")


if __name__ == "__main__":
    main()
