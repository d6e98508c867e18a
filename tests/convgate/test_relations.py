"""Relations: each holds for a correct subject, and is text that stands on its own."""

import ast
import builtins
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import impl
from convgate.cases.case import Case, broken_rule, case_rule, values_of
from convgate.cases.spec import parse_spec
from convgate.judging.checks import CHECKS, judge, judge_trial
from convgate.judging.checks.purity import other_problems, purity_relations
from convgate.judging.relations import Relation, agree, evaluate
from convgate.judging.trial import Trial
from convgate.problems.operators import OPERATORS
from convgate.sources.strategies import cases, problems

RELATIONS = {name: check.relations for name, check in CHECKS.items() if check.relations is not None}

Array = NDArray[Any]

# Not by shrinking: what fails is a case's spec, which the minimiser of the engine makes small.
QUICK = settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@st.composite
def lattice_cases(draw: st.DrawFn, operator: str) -> Case:
    """Valid cases on the lattice, where all relations are exact."""
    case = replace(draw(cases(operator)), fill="lattice")
    if case_rule(case) is not None:
        case = replace(case, dtype="f64")
    assume(broken_rule(case) is None)
    return case


def all_relations(case: Case) -> Iterator[Relation]:
    for relations in RELATIONS.values():
        yield from relations.each(case)


def without_derivative(case: Case, relation: Relation) -> bool:
    """Whether a window of a maximum lies wholly in padding, where sums with gradients are not finite."""
    if case.problem.operator != "max_pool2d":
        return False
    y = Trial(case, impl).expected(case.operator.forward(case.problem))["y"]
    about_gradients = any(word in relation.name for word in ("central difference", "<y, grad_output>"))
    return about_gradients and not np.isfinite(np.asarray(y)).all()


@pytest.mark.parametrize("operator", OPERATORS)
@QUICK
@given(data=st.data())
def test_every_relation_holds_for_impl(operator: str, data: st.DataObject) -> None:
    case = data.draw(lattice_cases(operator))
    for relation in all_relations(case):
        if not without_derivative(case, relation):
            actual, expected = evaluate(relation, impl, Trial(case, impl).arrays())
            assert agree(actual, expected, rounded=relation.rounded), relation.name


@pytest.mark.parametrize("operator", OPERATORS)
@QUICK
@given(data=st.data())
def test_a_relation_names_nothing_but_the_subject_its_arrays_and_its_helpers(
    operator: str, data: st.DataObject
) -> None:
    """So a script that defines these can hold it."""
    case = data.draw(lattice_cases(operator))
    for relation in all_relations(case):
        tree = ast.parse(relation.source, mode="eval")
        compile(tree, relation.name, "eval")
        bound = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        bound |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        helpers = {helper.__name__ for helper in relation.helpers}
        known = {"subject", "np"} | set(Trial(case, impl).values) | helpers | set(dir(builtins)) | bound
        assert used <= known
        assert "subject" in used


@pytest.mark.parametrize("operator", OPERATORS)
@QUICK
@given(data=st.data())
def test_names_of_a_case_s_relations_differ(operator: str, data: st.DataObject) -> None:
    """A script picks the one that failed by its name."""
    names = [relation.name for relation in all_relations(data.draw(lattice_cases(operator)))]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("operator", OPERATORS)
@QUICK
@given(data=st.data())
def test_problems_related_to_a_valid_problem_are_valid(operator: str, data: st.DataObject) -> None:
    problem = data.draw(problems(operator))
    for relation in all_relations(Case(problem=problem)):
        assert all(OPERATORS[operator].broken_rule(also) is None for also in relation.also), relation.name


NAN = float("nan")


@pytest.mark.parametrize(
    ("actual", "expected", "rounded", "answer"),
    [
        (3, 3, True, True),
        (3, 4, True, False),
        (np.array([1.0, 2.0]), np.array([1.4, 1.6]), True, True),
        (np.array([1.0, 2.0]), np.array([1.4, 2.6]), True, False),
        (np.array([1.0, 2.0]), np.array([1.4, 1.6]), False, False),
        (np.array([NAN, 1.0]), np.array([NAN, 1.0]), True, True),
        (np.array([NAN, 1.0]), np.array([NAN, 1.0]), False, True),
        (np.array([NAN, 1.0]), np.array([0.0, 1.0]), True, False),
        (np.array([np.inf]), np.array([np.inf]), True, True),
        (np.array([np.inf]), np.array([-np.inf]), True, False),
        (np.zeros((1, 2)), np.zeros((2, 1)), True, False),
        (np.zeros(2), 0.0, True, False),
        (np.zeros((0, 3)), np.zeros((0, 3)), True, True),
        (2**80 + 1, 2**80 + 1, True, True),
        (2**80 + 1, 2**80, True, False),
        (None, np.zeros(3), True, False),
    ],
)
def test_agreement_is_equality_up_to_rounding_with_nan_equal_to_nan(
    actual: Any, expected: Any, rounded: bool, answer: bool
) -> None:
    assert agree(actual, expected, rounded=rounded) is answer


def names_of(spec: str, check: str) -> list[str]:
    return [relation.name for relation in RELATIONS[check].each(parse_spec(spec))]


@pytest.mark.parametrize(
    ("spec", "check", "name"),
    [
        ("conv2d:h3w3", "identity", "a 1x1 convolution is a matrix product"),
        ("conv2d:c2o2g2", "identity", "groups are a split"),
        ("conv2d:p1", "identity", "padding is zeros around x"),
        ("avg_pool2d:k2p1", "identity", "padding is zeros around x"),
        ("avg_pool2d", "identity", "a pool of a constant is the constant"),
        ("max_pool2d", "identity", "max of x + 8 is max of x, plus 8"),
        ("max_pool2d:n2", "identity", "a batch gives what its images give"),
        ("max_pool2d:n2", "identity", "grad_input of a batch is that of its images"),
        ("max_pool2d:h2", "identity", "shifting x by one stride along height shifts y by one place"),
        ("max_pool2d:w2", "identity", "shifting x by one stride along width shifts y by one place"),
        ("col2im", "identity", "linearity in columns"),
        ("im2col", "adjoint", "<im2col(x), columns> = <x, col2im(columns)>"),
        ("conv2d", "finite_difference", "Jacobian by central differences = Jacobian by the backward pass"),
        ("conv2d:fortran", "layout", "grad_weight of fortran arrays = grad_weight of contiguous arrays"),
    ],
)
def test_a_relation_is_there_where_it_applies(spec: str, check: str, name: str) -> None:
    assert name in names_of(spec, check)


@pytest.mark.parametrize(
    ("spec", "check", "part"),
    [
        ("conv2d:k2h3w3", "identity", "1x1"),
        ("conv2d:p1", "identity", "1x1"),
        ("conv2d", "identity", "groups"),
        ("conv2d", "identity", "padding"),
        ("avg_pool2d:k2p1+nopad", "identity", "padding"),
        ("avg_pool2d:k2p1+divisor3", "identity", "padding"),
        ("avg_pool2d:k2p1", "identity", "constant"),
        ("avg_pool2d:+divisor2", "identity", "constant"),
        ("max_pool2d", "identity", "linearity"),
        ("max_pool2d:n0h2", "identity", "shift"),
        ("max_pool2d:h2w2k2p1", "identity", "shift"),
        ("conv2d", "identity", "batch"),
        ("col2im", "adjoint", ""),
        ("im2col", "finite_difference", ""),
        ("conv2d", "finite_difference", "along bias"),
        ("conv2d:h5w5", "finite_difference", "Jacobian"),
        ("conv2d", "layout", ""),
        ("conv2d:fortran", "layout", "grad_bias"),
    ],
)
def test_a_relation_is_not_there_where_it_does_not_apply(spec: str, check: str, part: str) -> None:
    assert not [name for name in names_of(spec, check) if part in name]


def broken_by(spec: str, **functions: Callable[..., Any]) -> set[str]:
    """Names of the relations that do not hold if some functions of `impl` are replaced."""
    names = [*OPERATORS, "conv2d_backward", "avg_pool2d_backward", "max_pool2d_backward"]
    subject = SimpleNamespace(**{name: getattr(impl, name) for name in names} | functions)
    case = parse_spec(spec)
    broken = set()
    for relation in all_relations(case):
        actual, expected = evaluate(relation, subject, Trial(case, subject).arrays())
        if not agree(actual, expected, rounded=relation.rounded):
            broken.add(relation.name)
    return broken


def test_a_constant_added_to_the_output_is_not_linear_but_shifts() -> None:
    broken = broken_by("im2col:h3w3k2", im2col=lambda *arrays, **options: impl.im2col(*arrays, **options) + 1)
    assert broken == {"linearity in x", "<im2col(x), columns> = <x, col2im(columns)>"}


def test_dividing_by_the_batch_is_no_function_of_the_image() -> None:
    def mean_over_batch(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
        return impl.conv2d(x, weight, bias, **options) * len(x)

    assert "a batch gives what its images give" in broken_by("conv2d:n2h3w3k2", conv2d=mean_over_batch)
    assert "a batch gives what its images give" not in broken_by("conv2d:h3w3k2", conv2d=mean_over_batch)


def test_a_gradient_that_mixes_images_is_not_that_of_the_images() -> None:
    def reversed_batch(grad_output: Array, x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        return impl.avg_pool2d_backward(grad_output[::-1], x, kernel_size, **options)

    broken = broken_by("avg_pool2d:n2h2w2k2", avg_pool2d_backward=reversed_batch)
    assert "grad_input of a batch is that of its images" in broken
    assert "a batch gives what its images give" not in broken


def test_a_wrong_last_column_does_not_shift() -> None:
    def loses_last_column(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        y = impl.max_pool2d(x, kernel_size, **options)
        y[..., 0] = 100
        return y

    broken = broken_by("max_pool2d:h3w3k2", max_pool2d=loses_last_column)
    assert "shifting x by one stride along width shifts y by one place" in broken
    assert "shifting x by one stride along height shifts y by one place" not in broken


def test_a_pointwise_path_that_forgets_the_bias_is_no_matrix_product_with_bias() -> None:
    broken = broken_by(
        "conv2d:h2w2+bias", conv2d=lambda x, weight, _=None, **options: impl.conv2d(x, weight, **options)
    )
    assert "a 1x1 convolution is a matrix product" in broken


def test_groups_in_the_wrong_order_are_no_split() -> None:
    def reversed_groups(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
        return impl.conv2d(x, weight, bias, **options)[:, ::-1]

    assert "groups are a split" in broken_by("conv2d:c2o2g2", conv2d=reversed_groups)


def test_a_maximum_padded_with_zeros_does_not_move_with_its_input() -> None:
    def pads_with_zeros(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        height, width = options["padding"]
        padded = np.pad(x, ((0, 0), (0, 0), (height, height), (width, width)))
        return impl.max_pool2d(padded, kernel_size, **{**options, "padding": (0, 0)})

    broken = broken_by("max_pool2d:h2w2k2p1", max_pool2d=pads_with_zeros)
    assert {"max of x + 8 is max of x, plus 8", "a pool of a constant is the constant"} <= broken


def test_padding_with_ones_is_not_zeros_around_x() -> None:
    def pads_with_ones(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        height, width = options["padding"]
        padded = np.pad(x, ((0, 0), (0, 0), (height, height), (width, width)), constant_values=1)
        return impl.avg_pool2d(padded, kernel_size, **{**options, "padding": (0, 0)})

    assert "padding is zeros around x" in broken_by("avg_pool2d:h3w3k2p1", avg_pool2d=pads_with_ones)


def test_an_average_divided_by_too_much_is_not_the_constant() -> None:
    broken = broken_by("avg_pool2d:h2w2k2", avg_pool2d=lambda *args, **options: impl.avg_pool2d(*args, **options) / 2)
    assert "a pool of a constant is the constant" in broken


@pytest.mark.parametrize("gradient", [0, 1, 2])
def test_each_wrong_gradient_breaks_its_own_difference(gradient: int) -> None:
    def wrong(*arrays: Any, **options: Any) -> Any:
        found: list[Any] = list(impl.conv2d_backward(*arrays, **options))
        found[gradient] = found[gradient] if found[gradient] is None else 3 * found[gradient]
        return tuple(found)

    broken = broken_by("conv2d:n2c2h3w3o2k2+bias", conv2d_backward=wrong)
    differences = [name for name in broken if name.startswith("central difference")]
    name = ("x", "weight", "bias")[gradient]
    assert len(differences) == 1
    assert f"along {name} " in differences[0]


def test_dilation_in_size_only_satisfies_its_own_gradient() -> None:
    """What finite differences cannot see: forward and backward that are wrong in the same way."""

    def forward(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
        return impl.conv2d(2 * x, weight, bias, **options)

    def backward(grad_output: Array, x: Array, weight: Array, bias: Array | None, **options: Any) -> Any:
        grad_input, grad_weight, grad_bias = impl.conv2d_backward(grad_output, 2 * x, weight, bias, **options)
        return 2 * grad_input, grad_weight, grad_bias

    assert broken_by("conv2d:h3w3k2", conv2d=forward, conv2d_backward=backward) == set()


def turns_input_round(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
    """Gives the sum of all, which the changed input has as well."""
    y = impl.im2col(x, kernel_size, **options)
    total = np.full_like(y, x.sum())
    x[...] = x[..., ::-1].copy()
    return total


def returns_a_view(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
    y = impl.im2col(x, kernel_size, **options)
    return x.reshape(y.shape) if y.size == x.size else y


def counting_subject() -> Callable[..., Array]:
    calls = iter(range(1000))

    def counts(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        return impl.im2col(x, kernel_size, **options) + next(calls)

    return counts


def buffering_subject() -> Callable[..., Array]:
    buffers: dict[tuple[int, ...], Array] = {}

    def one_buffer(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        y = impl.im2col(x, kernel_size, **options)
        buffer = buffers.setdefault(y.shape, np.empty_like(y))
        buffer[...] = y
        return buffer

    return one_buffer


def repeats_one_image(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
    y = impl.im2col(x, kernel_size, **options)
    return np.broadcast_to(y, y.shape)


ALONE = "im2col keeps its inputs, its results and its answer"
BESIDE = "im2col keeps its results and its answer beside a call with {}"


def finding(spec: str, name: str, **functions: Any) -> str:
    """What one relation of purity says of `impl` with some functions replaced."""
    case = parse_spec(spec)
    judged = SimpleNamespace(**{each: getattr(impl, each) for each in impl.__all__} | functions)
    (relation,) = (each for each in purity_relations(case) if each.name == name)
    actual, expected = evaluate(relation, judged, values_of(case))
    assert expected == "nothing wrong"
    return str(actual)


@pytest.mark.parametrize(
    ("im2col", "symptom"),
    [
        (turns_input_round, "mutated input"),
        (returns_a_view, "aliased output"),
        (repeats_one_image, "read-only output"),
        (counting_subject(), "not deterministic"),
        (buffering_subject(), "overwritten output"),
        (impl.im2col, "nothing wrong"),
    ],
)
def test_each_impurity_is_told_by_its_symptom(im2col: Callable[..., Array], symptom: str) -> None:
    assert finding("im2col:h2w2", ALONE, im2col=im2col).partition(":")[0] == symptom


def test_a_changed_input_is_named_with_the_entry() -> None:
    def conv2d(x: Array, weight: Array, *arguments: Any, **options: Any) -> Array:
        y = impl.conv2d(x, weight, *arguments, **options)
        weight[0, 0, 0, 1] = 5
        return y

    name = "conv2d keeps its inputs, its results and its answer"
    found = finding("conv2d:h2w3k1x2:points@weight.0.0.0.1=-3", name, conv2d=conv2d)
    assert found == "mutated input: weight[0, 0, 0, 1] was -3.0, is 5.0"


def test_results_that_are_one_memory_are_found() -> None:
    def conv2d_backward(*arguments: Any, **options: Any) -> tuple[Array, Array, None]:
        grad_input, grad_weight, _ = impl.conv2d_backward(*arguments, **options)
        memory = np.concatenate([grad_input.ravel(), grad_weight.ravel()])
        return memory.reshape(grad_input.shape[0], 1, 1, -1), memory[grad_input.size :].reshape(grad_weight.shape), None

    name = "conv2d_backward keeps its inputs, its results and its answer"
    assert "aliased output" in finding("conv2d:w3", name, conv2d_backward=conv2d_backward)


def test_an_answer_that_depends_on_the_problem_before_is_found_beside_another_problem() -> None:
    shapes = [(1, 1, 2, 2)]

    def im2col(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        shapes.append(x.shape)
        return impl.im2col(x, kernel_size, **options) + (shapes[-1] != shapes[-2])

    assert finding("im2col:h2w2", ALONE, im2col=im2col) == "nothing wrong"
    assert finding("im2col:h2w2", BESIDE.format("more and larger images"), im2col=im2col).startswith("not determ")


def test_a_result_that_another_problem_overwrites_is_found_beside_that_problem() -> None:
    kept: dict[tuple[int, ...], Array] = {}

    def im2col(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        y = impl.im2col(x, kernel_size, **options)
        last = kept.setdefault(x.shape, y)
        if options["stride"] == (2, 2):
            last[...] = 0
        return y

    assert finding("im2col:h2w2", ALONE, im2col=im2col) == "nothing wrong"
    kept.clear()
    assert finding("im2col:h2w2", BESIDE.format("a larger stride"), im2col=im2col).startswith("overwritten output")


@pytest.mark.parametrize("operator", OPERATORS)
@QUICK
@given(data=st.data())
def test_other_problems_are_valid_and_one_has_an_output_of_the_same_shape(operator: str, data: st.DataObject) -> None:
    case = data.draw(lattice_cases(operator))
    others = {what: make() for what, make in other_problems(case).items()}
    problems = [problem for several in others.values() for problem in several]
    assert all(case.operator.broken_rule(problem) is None for problem in problems)
    assert case.problem not in problems
    (larger,) = others["a larger kernel"]
    assert case.problem.ceil_mode or larger.output_size == case.problem.output_size


def test_state_shows_in_a_subject_that_supports_only_some_of_the_other_problems() -> None:
    """The others that it does not support are left out, and the rest is asked for."""
    buffers: dict[tuple[int, ...], Array] = {}

    def conv2d(x: Array, weight: Array, *arguments: Any, padding: tuple[int, int], **options: Any) -> Array:
        (above, left), (height, width) = padding, x.shape[2:]
        shape = (*x.shape[:2], height + 2 * above, width + 2 * left)
        padded = buffers.setdefault(shape, np.zeros(shape))
        padded[:, :, above : above + height, left : left + width] = x
        return impl.conv2d(padded, weight, *arguments, padding=(0, 0), **options)

    judged = SimpleNamespace(conv2d=conv2d, supports=lambda problem: problem.kernel_size == (3, 3))
    results = judge(parse_spec("conv2d:h5w5k3p1"), judged, ["purity"])
    assert [(each.verdict, each.symptom) for each in results] == [("failed", "not deterministic")]


# What is asked of a case of a run


def counting(calls: list[str]) -> Any:
    """`impl`, with the functions noted that are called."""

    def noted(name: str) -> Callable[..., Any]:
        def function(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            return getattr(impl, name)(*arguments, **options)

        return function

    names = [*OPERATORS, "conv2d_backward", "avg_pool2d_backward", "max_pool2d_backward"]
    return SimpleNamespace(**{name: noted(name) for name in names})


@pytest.mark.parametrize("check", ["purity", "identity"])
@pytest.mark.parametrize("spec", ["conv2d:n2c4h4w5o4k2p1g2+bias", "avg_pool2d:n2h4w4k2", "max_pool2d:n2h4w4k2p1"])
def test_each_case_asks_for_one_relation_and_the_cases_of_a_run_for_all(check: str, spec: str) -> None:
    case = parse_spec(spec)
    sampled = [list(RELATIONS[check].sample(replace(case, seed=seed))) for seed in range(40)]
    assert {len(each) for each in sampled} == {1}
    listed = {relation.name for relation in RELATIONS[check].each(case)}
    assert {relation.name for each in sampled for relation in each} == listed


def test_calls_on_the_case_s_own_data_are_made_once() -> None:
    calls: list[str] = []
    trial = Trial(parse_spec("conv2d:n2c4h5w5o4k2g2+bias"), counting(calls))
    results = judge_trial(trial, ["forward", "grad_input", "grad_weight", "grad_bias", "adjoint"])
    assert {result.verdict for result in results} == {"passed"}
    assert calls == ["conv2d", "conv2d_backward"]


def test_one_difference_is_asked_for_all_gradients_and_a_wrong_one_is_named() -> None:
    case = parse_spec("conv2d:n2c2h5w5o2k3+bias")
    calls: list[str] = []
    (passed,) = judge_trial(Trial(case, counting(calls)), ["finite_difference"])
    assert passed.verdict == "passed"
    assert calls.count("conv2d") == 2

    def wrong(*arguments: Any, **options: Any) -> Any:
        grad_input, grad_weight, grad_bias = impl.conv2d_backward(*arguments, **options)
        return grad_input, 2 * grad_weight, grad_bias

    (failed,) = judge(case, SimpleNamespace(conv2d=impl.conv2d, conv2d_backward=wrong), ["finite_difference"])
    assert failed.verdict == "failed"
    assert "along weight" in failed.relation


def test_a_layout_is_compared_for_all_outputs_at_once_and_the_wrong_one_is_named() -> None:
    def reads_memory(grad_output: Array, x: Array, *arguments: Any, **options: Any) -> Any:
        grad_input, grad_weight, grad_bias = impl.conv2d_backward(grad_output, x, *arguments, **options)
        return grad_input, grad_weight * (1 + (not x.flags.c_contiguous)), grad_bias

    subject = SimpleNamespace(conv2d=impl.conv2d, conv2d_backward=reads_memory)
    (failed,) = judge(parse_spec("conv2d:n2c2h3w3o2k2:fortran"), subject, ["layout"])
    assert failed.relation == "grad_weight of fortran arrays = grad_weight of contiguous arrays"


def test_what_a_call_does_to_the_data_is_not_blamed_on_the_calls_after_it() -> None:
    """They are made on data as they were; a relation that makes two calls itself may see it."""

    def changes_weight(x: Array, weight: Array, *arguments: Any, **options: Any) -> Array:
        y = impl.conv2d(x, weight, *arguments, **options)
        weight *= 3
        return y

    subject = SimpleNamespace(conv2d=changes_weight, conv2d_backward=impl.conv2d_backward)
    results = judge(parse_spec("conv2d:n2c2h4w4o2k2p1"), subject)
    failed = {result.check for result in results if result.verdict == "failed"}
    assert failed - {"identity"} == {"purity"}
