"""What a process of its own measures of the gate's speed on one core, as JSON on its standard output.

``python benchmarks/rates.py plan PROFILE MOST BESIDE``, ``rates FILE``, ``shares FILE``, ``beside FILE`` or
``large SECONDS``; benchmarks/throughput.py starts these. Each pins itself to one core and starts with nothing cached
but what loading PyTorch and a first call leave behind, as a worker of the gate does.
"""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name by which everybody knows it
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from torch.autograd import Function, gradcheck
from torch.autograd.function import once_differentiable

import impl
from convgate.cases.case import Case, array_shapes, broken_rule, values_of
from convgate.cases.spec import format_spec, parse_spec
from convgate.judging.checks import CHECKS, judge
from convgate.judging.subjects.loader import DEFAULT_SUBJECT, LOCAL
from convgate.judging.trial import Trial
from convgate.problems.axis import make_axes
from convgate.problems.operators import OPERATORS, Array, perform
from convgate.problems.problem import Problem
from convgate.results.verdicts import Result, primary_failure
from convgate.run.limits import Limits
from convgate.run.plan import Plan, list_shards
from convgate.run.shards import Shard, cases_of, planned_cases
from convgate.run.tally import Tally
from convgate.run.tasks import judge_shard, prepare
from convgate.run.workers import Workers
from convgate.sources.fuzz import draw_cases
from convgate.sources.profiles import SHARD
from convgate.sources.strategies import problems

__all__ = ["CALLEES", "LARGE", "WAYS", "beside", "callee", "fits_all", "large", "plan", "rates", "sampled", "shares"]

Seconds = tuple[float, float]

# In this process, so that it can be seen whose code is at work.
SUBJECT = f"{LOCAL}{DEFAULT_SUBJECT}"
# Of which seed the warm-up is, so that none of its problems need be among those measured.
WARM_UP_SEED = 2**31
WARM_UP_CASES = 10
# Where the time of a case goes: the first of these, from the innermost call outwards, whose modules are at work.
CALLEES = {
    "the subject": ("impl",),
    "PyTorch": ("oracles.torch_oracle", "torch"),
    "finite differences and identities": ("oracles.finite_difference", "oracles.identities"),
    "the definition": ("oracles",),
    "the engine": ("convgate",),
}
# Arithmetic of whoever asks for it.
SHARED = "oracles.exact"
# The processor time between two looks at what is being done; the system may round it up to its own step.
INTERVAL = 0.001

# 3 x 3 with padding 1, float32: about so many products in a forward pass.
LARGE = {
    10**4: (8, (4, 4)),
    10**5: (16, (7, 6)),
    10**6: (32, (11, 10)),
    10**7: (64, (17, 16)),
}


class Here(Workers):
    """Workers that are this process, so that a plan is made as the gate makes it, without starting any."""

    def __init__(self) -> None:
        super().__init__(None, 1, Limits())  # type: ignore[arg-type] # there is no pool

    def submit(self, task: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        """Do a task at once."""
        del seconds
        return task(*arguments)

    def answer(self, future: Any) -> Any:
        """What the task gave."""
        return future


def timed(work: Callable[[], object]) -> Seconds:
    """Processor time and wall time of some work."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - processor, time.perf_counter() - wall


def warm_up(operators: Sequence[str] = tuple(OPERATORS)) -> None:
    """Load what a worker loads before its first task, and see each operator once."""
    prepare(SUBJECT)
    for operator in operators:
        for case in draw_cases(operator, WARM_UP_SEED, 0, WARM_UP_CASES, impl):
            judge(case, impl)


def plan(profile: str, most: str, count: str) -> dict[str, Any]:
    """The cases of a profile: how many, how long choosing them takes, a sample of at most about `most`.

    And `count` problems of each operator from that sample to be put to all ways.
    """
    shards: list[Shard] = []
    drawn = Plan(subject=SUBJECT, profile=profile)
    seconds = timed(lambda: shards.extend(list_shards(Here(), drawn, tuple(OPERATORS))))
    chosen = sampled(shards, int(most))
    return {
        "seconds": seconds,
        "cases": sum(planned_cases(shard) for shard in shards),
        "sample": [asdict(shard) for shard in chosen],
        "beside": fit_for_all(chosen, int(count)),
    }


def sampled(shards: Sequence[Shard], most: int) -> list[Shard]:
    """Every k-th given case and every k-th shard of random ones, of each operator, from the first on."""
    step = max(1, -(-sum(planned_cases(shard) for shard in shards) // most))
    found = []
    for operator in dict.fromkeys(shard.operator for shard in shards):
        own = [shard for shard in shards if shard.operator == operator]
        specs = [spec for shard in own for spec in shard.specs][::step]
        found += [Shard(operator, specs=tuple(specs[i : i + SHARD])) for i in range(0, len(specs), SHARD)]
        found += [shard for shard in own if not shard.specs][::step]
    return found


def fit_for_all(shards: Sequence[Shard], count: int) -> list[str]:
    """Specs of so many distinct problems of each operator, from all of the shards, that can be put to all ways."""
    found: list[str] = []
    for operator in dict.fromkeys(shard.operator for shard in shards):
        cases = [case for shard in shards if shard.operator == operator for case in cases_of(shard, impl)]
        fit = list({case.problem: format_spec(case) for case in cases if fits_all(case)}.values())
        found += [fit[i * len(fit) // count] for i in range(min(count, len(fit)))] if len(fit) > count else fit
    return found


def fits_all(case: Case) -> bool:
    """Whether all ways have an opinion: the case is valid, on the lattice, not empty, and all results are finite."""
    if broken_rule(case) is not None or case.fill != "lattice":
        return False
    arrays = values_of(case)
    if not all(array.size for array in arrays.values()):
        return False
    y: Array = perform(impl, case.operator.forward(case.problem), arrays)["y"]
    return bool(np.isfinite(y).all())


def rates(shards: Sequence[Shard]) -> dict[str, tuple[int, float, float]]:
    """Cases and seconds by operator, as the workers of the gate judge them."""
    warm_up()
    found = {}
    for operator in dict.fromkeys(shard.operator for shard in shards):
        tally = Tally()

        def judged(own: str = operator, tally: Tally = tally) -> None:
            for shard in shards:
                if shard.operator == own:
                    tally.merge(judge_shard(SUBJECT, shard, 1).tally)

        seconds = timed(judged)
        if tally.failing:
            raise RuntimeError(f"{tally.failing[0]} fails; measure what conforms")
        found[operator] = (tally.cases.total(), *seconds)
    return found


def callee(names: Iterator[str]) -> str:
    """Whose work it is, by the names of the modules at work, the innermost first."""
    for name in names:
        if name == SHARED:
            continue
        for who, prefixes in CALLEES.items():
            if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes):
                return who
    return "the engine"


def modules_at_work(frame: FrameType | None) -> Iterator[str]:
    """Names of the modules whose functions are being called, the innermost first."""
    while frame is not None:
        yield frame.f_globals.get("__name__", "")
        frame = frame.f_back


@contextmanager
def looked_at(seen: Counter[tuple[str, str]]) -> Iterator[None]:
    """Look at regular intervals of processor time which check is at work, and in whose code."""
    now = [""]
    usual = dict(CHECKS)

    def named(name: str, check: Callable[[Trial], Result | None], trial: Trial) -> Result | None:
        now[0] = name
        try:
            return check(trial)
        finally:
            now[0] = ""

    CHECKS.rows.update({name: replace(check, judge=partial(named, name, check.judge)) for name, check in usual.items()})
    before = signal.signal(signal.SIGPROF, lambda _, frame: seen.update([(now[0], callee(modules_at_work(frame)))]))
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        CHECKS.rows.update(usual)


def shares(shards: Sequence[Shard]) -> dict[str, dict[str, dict[str, int]]]:
    """How often each check was seen at work, and in whose code, by operator; the check is empty outside of all."""
    warm_up()
    found = {}
    for operator in dict.fromkeys(shard.operator for shard in shards):
        seen: Counter[tuple[str, str]] = Counter()
        with looked_at(seen):
            for shard in shards:
                if shard.operator == operator:
                    judge_shard(SUBJECT, shard, 1)
        by_check: dict[str, dict[str, int]] = {}
        for (check, who), number in seen.items():
            by_check.setdefault(check, {})[who] = number
        found[operator] = by_check
    return found


def transpose_of(problem: Problem) -> Problem:
    """The same with im2col and col2im exchanged: each is the other's gradient."""
    return replace(problem, operator={"im2col": "col2im", "col2im": "im2col"}[problem.operator])


def forward_of_subject(problem: Problem, arrays: dict[str, Array]) -> Array:
    """What the subject computes."""
    y: Array = perform(impl, OPERATORS[problem.operator].forward(problem), arrays)["y"]
    return y


def gradients_of_subject(problem: Problem, arrays: dict[str, Array], grad_output: Array) -> list[Array]:
    """Its gradients of all data, in their order."""
    operator = OPERATORS[problem.operator]
    if operator.backward is None:
        other = transpose_of(problem)
        (name,) = OPERATORS[other.operator].shapes(other)
        return [forward_of_subject(other, {name: grad_output})]
    found = perform(impl, operator.backward(problem), arrays | {"grad_output": grad_output})
    return [found[gradient] for gradient, name in operator.gradients.items() if name in arrays]


class Wrapped(Function):
    """The subject as PyTorch's autograd sees it."""

    @staticmethod
    def forward(ctx: Any, problem: Problem, names: tuple[str, ...], *tensors: torch.Tensor) -> torch.Tensor:
        """Call the subject."""
        ctx.problem = problem
        ctx.arrays = {name: tensor.detach().numpy() for name, tensor in zip(names, tensors, strict=True)}
        return torch.from_numpy(forward_of_subject(problem, ctx.arrays))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> Any:
        """Call its backward function."""
        found = gradients_of_subject(ctx.problem, ctx.arrays, grad_outputs[0].numpy())
        return None, None, *(torch.from_numpy(each) for each in found)


def checked_by_gradcheck(case: Case, *, fast: bool) -> None:
    """Ask gradcheck, on normal data in float64, as its tolerances are meant for."""
    rng = np.random.default_rng(case.seed)
    shapes = {name: shape for name, shape in array_shapes(case.problem).items() if name != "grad_output"}
    tensors = [torch.from_numpy(rng.standard_normal(shape)).requires_grad_() for shape in shapes.values()]
    gradcheck(partial(Wrapped.apply, case.problem, tuple(shapes)), tensors, fast_mode=fast)


def output_of_pytorch(problem: Problem, data: dict[str, torch.Tensor]) -> torch.Tensor:
    """What torch.nn.functional computes."""
    call = OPERATORS[problem.operator].forward(problem)
    options: dict[str, Any] = dict(call.options)
    if problem.operator == "im2col":
        blocks = F.unfold(data["x"], problem.kernel_size, **options)
        return blocks.permute(1, 2, 0).reshape(blocks.shape[1], -1)
    if problem.operator == "col2im":
        rows = data["columns"].shape[0]
        blocks = data["columns"].reshape(rows, problem.places, problem.batch).permute(2, 0, 1)
        return F.fold(blocks, problem.size, problem.kernel_size, **options)
    arguments = (data[each] if isinstance(each, str) else each for each in call.arguments)
    y: torch.Tensor = getattr(F, call.function)(*arguments, **options)
    return y


def asserted_close(case: Case) -> None:
    """What a test of one's own does: results and gradients are close to those of torch.nn.functional and autograd.

    On the case's own data, small integers, as in float32 the usual tolerances blame a sum of some dozens of normal
    numbers that is right.
    """
    arrays = values_of(case)
    y = forward_of_subject(case.problem, arrays)
    if not np.isfinite(y).all():
        return  # a window wholly in padding: PyTorch's gradient would write outside of its memory
    inputs = {name: array for name, array in arrays.items() if name != "grad_output"}
    data = {name: torch.from_numpy(array.copy()).requires_grad_() for name, array in inputs.items()}
    expected = output_of_pytorch(case.problem, data)
    torch.testing.assert_close(torch.from_numpy(y), expected.detach())
    gradient = arrays.get("grad_output", y)  # im2col and col2im have none of their own
    torch.autograd.backward(expected, torch.from_numpy(gradient))
    gradients = gradients_of_subject(case.problem, inputs, gradient)
    for ours, tensor in zip(gradients, data.values(), strict=True):
        torch.testing.assert_close(torch.from_numpy(ours), tensor.grad)


def judged_by_the_gate(case: Case) -> None:
    """All checks."""
    failure = primary_failure(judge(case, impl))
    if failure is not None:
        raise RuntimeError(f"{format_spec(case)} fails: {failure.message}; measure what conforms")


def each_of(way: Callable[[Case], None], cases: Sequence[Case]) -> None:
    """Put the cases to one way, one after the other."""
    for case in cases:
        way(case)


def given_to_a_test(cases: Sequence[Case]) -> None:
    """Run a Hypothesis test that has the cases as its explicit examples."""

    def test(case: Case) -> None:
        asserted_close(case)

    wrapped = settings(deadline=None, database=None, phases=[Phase.explicit])(given(case=st.sampled_from(cases))(test))
    for case in cases:
        wrapped = example(case=case)(wrapped)
    wrapped()


def drawn_by_a_test(cases: Sequence[Case]) -> None:
    """Run a Hypothesis test that draws as many problems itself, from the strategy that the gate draws from."""
    usual = settings(
        max_examples=len(cases),
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @usual
    @given(problems(cases[0].problem.operator), st.integers(0, 2**16))
    def test(problem: Problem, seed: int) -> None:
        asserted_close(Case(problem=problem, seed=seed))

    test()


# The ways to test a subject on given problems.
WAYS: dict[str, Callable[[Sequence[Case]], None]] = {
    "the gate, all checks": partial(each_of, judged_by_the_gate),
    "gradcheck, slow": partial(each_of, partial(checked_by_gradcheck, fast=False)),
    "gradcheck, fast": partial(each_of, partial(checked_by_gradcheck, fast=True)),
    "Hypothesis and assert_close": given_to_a_test,
    "the same, drawing as many problems itself": drawn_by_a_test,
}


def beside(specs: Sequence[str]) -> dict[str, dict[str, tuple[int, float, float]]]:
    """Problems and seconds by operator and way."""
    cases = [parse_spec(spec) for spec in specs]
    found: dict[str, dict[str, tuple[int, float, float]]] = {}
    warm_up()
    for operator in dict.fromkeys(case.problem.operator for case in cases):
        own = [case for case in cases if case.problem.operator == operator]
        first = Case(problem=Problem(operator=operator))
        for name, way in WAYS.items():
            way([first])
            found.setdefault(operator, {})[name] = (len(own), *timed(partial(way, own)))
    return found


def large_case(channels: int, size: tuple[int, int]) -> Case:
    """As many filters as channels, 3 x 3 with padding 1, float32."""
    problem = Problem(
        operator="conv2d",
        batch=1,
        channels=channels,
        out_channels=channels,
        axes=make_axes(size=size, kernel_size=(3, 3), padding=(1, 1)),
        bias=True,
    )
    return Case(problem=problem, dtype="f32")


def large(seconds: str) -> list[tuple[int, float, float]]:
    """Products and seconds of larger and larger cases, all checks, until the next would take more than so long.

    A case that is measured is judged twice, as the first one of its size pays for memory that the second has; the
    second counts. How long the next will take is taken to grow like the products.
    """
    warm_up(("conv2d",))
    found: list[tuple[int, float, float]] = []
    for channels, size in LARGE.values():
        case = large_case(channels, size)
        products = case.operator.work(case.problem)
        if found and found[-1][2] * products / found[-1][0] > float(seconds):
            break
        measured = [timed(partial(judged_by_the_gate, case)) for _ in range(2)]
        found.append((products, *measured[-1]))
    return found


def read(path: str) -> Any:
    """What was handed over."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def shards_in(path: str) -> list[Shard]:
    """Shards that were handed over."""
    return [Shard(**shard | {"specs": tuple(shard["specs"])}) for shard in read(path)]


def on_one_core() -> None:
    """Stay on one core, where the system can tell a process to, and use one thread."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)


def main(what: str, *arguments: str) -> None:
    """Measure and print."""
    on_one_core()
    known: dict[str, Callable[..., object]] = {
        "plan": plan,
        "rates": lambda path: rates(shards_in(path)),
        "shares": lambda path: shares(shards_in(path)),
        "beside": lambda path: beside(read(path)),
        "large": large,
    }
    json.dump(known[what](*arguments), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
