"""A trial: one case before one subject, with what the oracles say, each computed once and when it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from convgate.case import POINTS, Case, broken_rule, lay_out, values_of
from convgate.compare import Bound, Copied
from convgate.determined import undetermined
from convgate.fills import EXACT, MOST_VALUES, magnitude_of_points, smallest_normal, step_of
from convgate.norms import NormBound, norm_bound
from convgate.operators import Array, Arrays, Call, Operator, perform
from convgate.oracle_list import as_integers, definition, torch_oracle
from convgate.subjects.loader import error_factor

__all__ = ["RAISED", "Outcome", "Trial"]


# A subject is foreign code: whatever it raises is a finding, an attempt to end the program or a panic in Rust too.
RAISED = BaseException


@dataclass(frozen=True)
class Outcome:
    """What became of one call of a subject.

    Parameters
    ----------
    outputs : dict or None
        What it returned by name, or None.
    error : BaseException or None
        What it raised, if it did.
    missing : bool
        Whether the subject lacks the function, or says that it does not support the problem.
    """

    outputs: Mapping[str, Any] | None = None
    error: BaseException | None = None
    missing: bool = False


# What a trial holds that is not the same for every subject.
SUBJECTS_OWN = {"subject", "witnessed", "_outcomes", "error_factor"}


class Trial:
    """One case before one subject.

    Parameters
    ----------
    case : Case
        The case.
    subject : Any
        A module or object with the functions of the subject protocol.
    witnessed : bool
        Whether PyTorch is asked too.
    """

    def __init__(self, case: Case, subject: Any, *, witnessed: bool = True) -> None:
        self.case = case
        self.subject = subject
        self.witnessed = witnessed
        self.problem = case.problem
        self.operator: Operator = case.operator
        self.rule = broken_rule(case)
        self._outcomes: dict[str, Outcome] = {}
        self._definitions: dict[tuple[str, bool, bool], Mapping[str, Array]] = {}
        self._witnesses: dict[str, Mapping[str, Any] | None] = {}
        self._undetermined: dict[str, Array | None] = {}

    def before(self, subject: Any, *, witnessed: bool = True) -> "Trial":
        """The same case before another subject, with all that the oracles have said of it by now."""
        other = Trial(self.case, subject, witnessed=witnessed)
        vars(other).update({name: value for name, value in vars(self).items() if name not in SUBJECTS_OWN})
        return other

    @cached_property
    def values(self) -> dict[str, Array]:
        """The data, row-major; nobody else holds these arrays."""
        return values_of(self.case)

    def arrays(self) -> dict[str, Array]:
        """The data in the case's memory layout: fresh arrays each time, as a faulty subject may write into them."""
        return lay_out(self.values, self.case.layout, self.case.laid_out)

    def lacks(self, call: Call) -> bool:
        """Whether the subject has no such function."""
        return not callable(getattr(self.subject, call.function, None))

    def call(self, call: Call, arrays: Arrays) -> Outcome:
        """Call the subject."""
        if self.lacks(call):
            return Outcome(missing=True)
        try:
            with np.errstate(all="ignore"):
                return Outcome(perform(self.subject, call, arrays))
        except NotImplementedError:
            return Outcome(missing=True)
        except RAISED as error:
            return Outcome(error=error)

    def call_producing(self, output: str) -> Call | None:
        """The call of the operator that returns this output, if the operator has it."""
        calls = [self.operator.forward(self.problem)]
        if self.operator.backward is not None:
            calls.append(self.operator.backward(self.problem))
        return next((call for call in calls if output in call.outputs), None)

    def outcome(self, call: Call) -> Outcome:
        """What the subject made of the case's own data."""
        if call.function not in self._outcomes:
            self._outcomes[call.function] = self.call(call, self.arrays())
        return self._outcomes[call.function]

    @cached_property
    def finite(self) -> bool:
        """Whether all data are finite."""
        return all(bool(np.isfinite(array).all()) for array in self.values.values())

    @cached_property
    def on_lattice(self) -> bool:
        """Whether the data were made so that all sums are exact and all results multiples of `step`."""
        if self.case.fill == POINTS:
            return self.finite and self._points_on_lattice()
        return self.case.fill in EXACT

    @property
    def on_integers(self) -> bool:
        """Whether data are on the lattice and its step is 1, for what moves them by a step or adds to them."""
        return self.on_lattice and not any(self.step(output) for output in self.operator.terms)

    def step(self, output: str) -> int:
        """Exponent of the power of two that all entries of an output are multiples of, with data on the lattice."""
        return step_of(self.operator, self.case.dtype, self.case.fill, output)

    @cached_property
    def _exact_values(self) -> tuple[dict[str, Array], int]:
        """The data as integers times a power of two; a bias as a product of two such numbers."""
        names = list(self.values)
        integers, exponent = as_integers(*self.values.values())
        found = dict(zip(names, integers, strict=True))
        if "bias" in found:
            found["bias"] = found["bias"] * 2**-exponent
        return found, exponent

    def expected(self, call: Call, *, magnitudes: bool = False, flushed: bool = False) -> Mapping[str, Array]:
        """What the definition says: exact numbers, or floats where the data are not finite.

        With `magnitudes`, of the absolute values of the data, which is what an error bound is made from; `flushed`
        with zero for those that are subnormal.
        """
        key = (call.function, magnitudes, flushed)
        if key not in self._definitions:
            self._definitions[key] = self._define(call, magnitudes=magnitudes, flushed=flushed)
        return self._definitions[key]

    @cached_property
    def _subnormal(self) -> dict[str, Array]:
        """Where the data in which the outputs are linear are subnormal, of the arrays that have such data."""
        least = smallest_normal(self.case.dtype)
        found = {name: (abs(self.values[name]) < least) & (self.values[name] != 0) for name in self._linear}
        return {name: where for name, where in found.items() if where.any()}

    @cached_property
    def _linear(self) -> list[str]:
        return [name for name in self.values if name in self.operator.linear_in]

    @cached_property
    def _as_double(self) -> dict[str, Array]:
        return {name: array.astype(np.float64) for name, array in self.values.items()}

    def witness(self, call: Call) -> Mapping[str, Any] | None:
        """What PyTorch says in float64; None if it has no opinion (it rejects some problems that are well defined)."""
        if not self.witnessed:
            return None
        if call.function not in self._witnesses:
            try:
                self._witnesses[call.function] = perform(torch_oracle(), call, self._as_double)
            except (ValueError, NotImplementedError):
                self._witnesses[call.function] = None
        return self._witnesses[call.function]

    def _either_sign(self, call: Call) -> Array | None:
        """Where a maximum is zero and zeros of both signs are there to choose from; None if that is nowhere.

        The definition takes the first, but zeros are equal, and so is any other right.
        """
        x = self._as_double.get("x")
        if self.operator.name != "max_pool2d" or x is None:
            return None
        zero, negative = x == 0, np.signbit(x)
        if not ((zero & negative).any() and (zero & ~negative).any()):
            return None
        # a maximum over the zeros of one sign alone, all other numbers kept or made smaller
        with_either = [
            perform(definition, call, {"x": np.where(zero & (negative == other), -np.inf, x)})["y"]
            for other in (False, True)
        ]
        both: Array = (with_either[0] == 0) & (with_either[1] == 0)
        return both

    def _define(self, call: Call, *, magnitudes: bool, flushed: bool) -> Mapping[str, Array]:
        if not self.finite or self.copies(call):
            outputs = perform(definition, call, self._as_double)
            return {name: array for name, array in outputs.items() if array is not None}
        values, exponent = self._exact_values
        if magnitudes:
            values = values | {name: abs(values[name]) for name in self._linear}
        if flushed:
            values = values | {name: np.where(where, 0, values[name]) for name, where in self._subnormal.items()}
        outputs = perform(definition, call, values)
        return {name: self._scaled(name, array, exponent) for name, array in outputs.items() if array is not None}

    def _scaled(self, output: str, numbers: Array, exponent: int) -> Array:
        """Put the power of two back, as often as data are multiplied."""
        if exponent == 0:
            return numbers
        # the one float among exact numbers is the maximum of a window wholly in padding, which stays minus infinity
        return np.asarray(Fraction(2) ** (len(self.operator.terms[output]) * exponent) * numbers, object)

    def undetermined(self, output: str) -> Array | None:
        """The entries of an output that may also be NaN, as a number that is not finite meets padding there."""
        if self.finite:
            return None
        if output not in self._undetermined:
            self._undetermined[output] = undetermined(self.problem, self.values, output)
        return self._undetermined[output]

    def copies(self, call: Call) -> bool:
        """Whether a call only copies or chooses: nothing of what it returns is ever rounded."""
        roundings = self.operator.roundings(self.problem)
        return not any(roundings[output] for output in call.outputs)

    def bound(self, call: Call, output: str, dtype: str) -> Bound | Copied | None:
        """What decides whether an output is right: the error bound, or None where half a step of the lattice does.

        What is only copied is exact on all data: a value that merely rounds to the right one will not do.
        """
        if self.copies(call):
            return Copied(self._either_sign(call))
        roundings = self.operator.roundings(self.problem)[output]
        if not self.finite or self.on_lattice:
            return None
        # a divisor may be negative
        magnitude = abs(self.expected(call, magnitudes=True)[output])
        # data that are subnormal in float32 are not in float64
        subnormal = bool(self._subnormal) and dtype == self.case.dtype
        kept = abs(self.expected(call, magnitudes=True, flushed=True)[output]) if subnormal else None
        return Bound(
            magnitude,
            roundings,
            dtype,
            subnormal=magnitude - kept if kept is not None else None,
            divisor=self.operator.quantum(self.problem),
        )

    @cached_property
    def error_factor(self) -> float | None:
        """What the subject claims of the problem if it is accurate in norm; None if it is judged entry by entry."""
        return error_factor(self.subject, self.problem) if self.operator.norms is not None else None

    def norm_bound(self, output: str, factor: float | None) -> NormBound | None:
        """The bound of an output of a subject with such an error factor, if it has one and the data are finite."""
        if factor is None or not self.finite:
            return None
        return norm_bound(self.problem, self.values, output, self.case.dtype, factor)

    def _points_on_lattice(self) -> bool:
        quantum = self.operator.quantum(self.problem)
        most = quantum * magnitude_of_points(self.operator, self.problem, self.case.dtype, self.values)
        return all(
            # the input of a max pool is not added up, but moved by a step or two, and so must not be large either
            not (array % quantum).any()
            and not (abs(array) > (most if name in self.operator.linear_in else MOST_VALUES)).any()
            for name, array in self.values.items()
        )
