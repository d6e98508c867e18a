"""A trial: one case before one subject, with what the oracles say, each computed once and when it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

import numpy as np

from convgate.cases.case import POINTS, Case, broken_rule, lay_out, values_of
from convgate.cases.dtypes import DTYPES
from convgate.cases.fills import FILLS
from convgate.cases.lattice import MOST_VALUES, magnitude_of_points, step_of
from convgate.judging.compare import Bound, Copied
from convgate.judging.determined import undetermined
from convgate.judging.norm_bound import NormBound, norm_bound
from convgate.judging.relations import Recall
from convgate.judging.subjects.host import HostDiedError
from convgate.judging.subjects.loader import error_factor
from convgate.judging.subjects.remote import Foreseen, allow, make_ahead
from convgate.oracle_list import Certified, real, torch_oracle, vectorized
from convgate.problems.operators import Array, Arrays, Call, Operator, perform

__all__ = ["RAISED", "Known", "Outcome", "Trial"]

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
    refused : bool
        Whether it says so by NotImplementedError, of a problem that its ``supports`` let through.
    owned : bool
        Whether its results surely belong to the caller: in memory of their own, which can be written to.
    """

    outputs: Mapping[str, Any] | None = None
    error: BaseException | None = None
    missing: bool = False
    refused: bool = False
    owned: bool = True


@dataclass(frozen=True)
class Called:
    """A call of the subject on the case's data.

    Parameters
    ----------
    call : Call
        The call.
    arrays : dict
        The data in the case's memory layout.
    outcome : Outcome
        What became of it.
    kept : bool
        Whether the data are what they were.
    """

    call: Call
    arrays: dict[str, Array]
    outcome: Outcome
    kept: bool


# Functions, with the shapes of the arrays of a call whose results are known, and these results.
Known = dict[str, tuple[list[tuple[int, ...]], list[Array | None]]]

# What a trial holds that is not the same for every subject.
SUBJECTS_OWN = {"subject", "witnessed", "sampled", "_calls", "error_factor"}


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
    sampled : bool
        Whether of relations that make many calls a part will do, as other cases ask for the others.
    """

    def __init__(self, case: Case, subject: Any, *, witnessed: bool = True, sampled: bool = False) -> None:
        self.case = case
        self.subject = subject
        self.witnessed = witnessed
        self.sampled = sampled
        self.problem = case.problem
        self.operator: Operator = case.operator
        self.rule = broken_rule(case)
        allow(subject, self.operator.work(self.problem) if self.rule is None else 0)
        self._calls: dict[str, Called] = {}
        self._definitions: dict[str, Mapping[str, Array | Certified]] = {}
        self._witnesses: dict[str, Mapping[str, Any] | None] = {}
        self._undetermined: dict[str, Array | None] = {}

    def before(self, subject: Any, *, witnessed: bool = True) -> "Trial":
        """The same case before another subject, with all that the oracles have said of it by now."""
        other = Trial(self.case, subject, witnessed=witnessed, sampled=self.sampled)
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
                outputs = perform(self.subject, call, arrays)
            # read once, so that a subject that keeps its results cannot change them from one check to the next
            return Outcome(
                {name: np.array(each) if type(each) is np.ndarray else each for name, each in outputs.items()},
                owned=owned([each for each in outputs.values() if type(each) is np.ndarray], arrays),
            )
        except NotImplementedError:
            return Outcome(missing=True, refused=True)
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
        return self._called(call).outcome

    def own_arrays(self) -> tuple[dict[str, Array], Recall | None]:
        """The case's data for a relation, and what is known of calls on them.

        They are those that the subject has been called with, if it left them as they were.
        """
        made = list(self._calls.values())
        if not made or not all(each.kept for each in made):
            return self.arrays(), None
        arrays = made[0].arrays
        return arrays, partial(self._recall, arrays)

    def known_results(self) -> Known | None:
        """Functions that have been called on the case's own data, with the shapes of these and the results.

        Only of those that returned arrays of the right dtype, and None. None at all if a call crashes or hangs.
        """
        found: Known = {}
        for call in self._present():
            outcome = self.outcome(call)
            if isinstance(outcome.error, HostDiedError):
                return None
            outputs = outcome.outputs
            results = [] if outputs is None else list(outputs.values())
            dtype = DTYPES[self.case.dtype].type
            if results and all(each is None or (type(each) is np.ndarray and each.dtype == dtype) for each in results):
                shapes = [self.values[each].shape for each in call.arguments if isinstance(each, str)]
                found[call.function] = (shapes, results)
        return found

    def kept(self, arrays: Arrays) -> bool:
        """Whether arrays hold the case's data, to the last bit."""
        return all(
            array.shape == self.values[name].shape
            and array.dtype == self.values[name].dtype
            and array.tobytes() == self.values[name].tobytes()
            for name, array in arrays.items()
        )

    def is_suspect(self, call: Call) -> bool:
        """Whether a call on the case's own data has changed these, or returned what may not be the caller's."""
        called = self._called(call)
        return not (called.kept and called.outcome.owned)

    def _called(self, call: Call) -> Called:
        if call.function not in self._calls:
            # those of an earlier call, if it left them as they were
            usable = [each.arrays for each in self._calls.values() if each.kept]
            arrays = usable[0] if usable else self.arrays()
            if self.sampled and not self._calls:
                make_ahead(self.subject, [foreseen(each, arrays) for each in self._present()])
            outcome = self.call(call, arrays)
            self._calls[call.function] = Called(call, arrays, outcome, self.kept(arrays))
        return self._calls[call.function]

    def foreseen(self, output: str) -> list[Foreseen]:
        """The call that returns an output, on the case's own data, if it will be made."""
        call = self.call_producing(output)
        if call is None or self.lacks(call) or self.rule is not None:
            return []
        return [foreseen(call, self.arrays())]

    def _present(self) -> list[Call]:
        """The calls on the case's own data that will be made, as all outputs will be asked for."""
        makes = (self.operator.forward, self.operator.backward)
        calls = [make(self.problem) for make in makes if make is not None and self.rule is None]
        return [call for call in calls if not self.lacks(call)]

    def _recall(self, own: Arrays, call: Call, arrays: Arrays) -> Mapping[str, Any] | None:
        """What the subject returned for a call of the case on its own data; None if this is another call.

        Raises
        ------
        BaseException
            What the subject raised then.
        """
        known = self._calls.get(call.function)
        if known is None or known.call != call or known.arrays is not own:
            return None
        if any(arrays[each] is not own[each] for each in call.arguments if isinstance(each, str)):
            return None
        if known.outcome.missing:
            raise NotImplementedError
        if known.outcome.error is not None:
            raise known.outcome.error
        outputs = known.outcome.outputs or {}
        # what is no array of NumPy's own is looked at where it is returned
        dtype = DTYPES[self.case.dtype].type
        plain = all(each is None or (type(each) is np.ndarray and each.dtype == dtype) for each in outputs.values())
        return outputs if plain else None

    @cached_property
    def finite(self) -> bool:
        """Whether all data are finite."""
        return all(bool(np.isfinite(array).all()) for array in self.values.values())

    @cached_property
    def on_lattice(self) -> bool:
        """Whether the data were made so that all sums are exact and all results multiples of `step`."""
        if self.case.fill == POINTS:
            return self.finite and self._points_on_lattice()
        return FILLS[self.case.fill].exact

    @property
    def on_integers(self) -> bool:
        """Whether data are on the lattice and its step is 1, for what moves them by a step or adds to them."""
        return self.on_lattice and not any(self._steps.values())

    def step(self, output: str) -> int:
        """Exponent of the power of two that all entries of an output are multiples of, with data on the lattice."""
        return self._steps[output]

    @cached_property
    def _steps(self) -> dict[str, int]:
        operator, case = self.operator, self.case
        return {output: step_of(operator, case.dtype, case.fill, output) for output in operator.terms}

    def expected(self, call: Call) -> Mapping[str, Array | Certified]:
        """What the definition says: floats that are exact, or certified numbers where sums of the data are rounded."""
        if call.function not in self._definitions:
            exact = not self.finite or self.on_lattice or self.copies(call)
            self._definitions[call.function] = (
                present(vectorized, call, self._as_double) if exact else present(real, call, self.values)
            )
        return self._definitions[call.function]

    def magnitude(self, call: Call, output: str, *, flushed: bool = False) -> Certified:
        """What the definition says of the absolute values of the data, which is what an error bound is made from.

        With `flushed` zero stands for data that are subnormal.
        """
        values = self.values | {name: abs(self.values[name]) for name in self._linear}
        if flushed:
            values |= {name: np.where(where, 0, values[name]) for name, where in self._subnormal.items()}

        def exact(index: tuple[int, ...]) -> Fraction:
            if not known:
                known.update(present(real, call, values))
            # a divisor may be negative
            return abs(Fraction(known[output][index]))

        known: dict[str, Array | Certified] = {}
        floats = abs(
            present(vectorized, call, {name: each.astype(np.float64) for name, each in values.items()})[output]
        )
        # positive numbers, rounded n + 2 times at most on the way: gamma(n + 2), with room for gamma itself
        count = self._roundings[output] + 2
        error = 1.1 * count * DTYPES["f64"].unit_roundoff * floats + count * DTYPES["f64"].smallest_normal
        return Certified(floats, np.zeros_like(floats), error, exact)

    @cached_property
    def _subnormal(self) -> dict[str, Array]:
        """Where the data in which the outputs are linear are subnormal, of the arrays that have such data."""
        least = DTYPES[self.case.dtype].smallest_normal
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
        if not self.operator.chooses or x is None:
            return None
        zero, negative = x == 0, np.signbit(x)
        if not ((zero & negative).any() and (zero & ~negative).any()):
            return None
        # a maximum over the zeros of one sign alone, all other numbers kept or made smaller
        with_either = [
            perform(vectorized, call, {"x": np.where(zero & (negative == other), -np.inf, x)})["y"]
            for other in (False, True)
        ]
        both: Array = (with_either[0] == 0) & (with_either[1] == 0)
        return both

    def undetermined(self, output: str) -> Array | None:
        """The entries of an output that may also be NaN, as a number that is not finite meets padding there."""
        if self.finite:
            return None
        if output not in self._undetermined:
            self._undetermined[output] = undetermined(self.problem, self.values, output)
        return self._undetermined[output]

    def copies(self, call: Call) -> bool:
        """Whether a call only copies or chooses: nothing of what it returns is ever rounded."""
        return not any(self._roundings[output] for output in call.outputs)

    @cached_property
    def _roundings(self) -> dict[str, int]:
        return self.operator.roundings(self.problem)

    def bound(self, call: Call, output: str, dtype: str) -> Bound | Copied | None:
        """What decides whether an output is right: the error bound, or None where half a step of the lattice does.

        What is only copied is exact on all data: a value that merely rounds to the right one will not do.
        """
        if self.copies(call):
            return Copied(self._either_sign(call))
        roundings = self._roundings[output]
        if not self.finite or self.on_lattice:
            return None
        # data that are subnormal in float32 are not in float64
        subnormal = bool(self._subnormal) and dtype == self.case.dtype
        return Bound(
            self.magnitude(call, output),
            roundings,
            dtype,
            subnormal=self._lost_to_flushing(call, output) if subnormal else None,
            divisor=self.operator.quantum(self.problem),
        )

    def _lost_to_flushing(self, call: Call, output: str) -> Certified:
        """The part of the magnitude that goes if subnormal data are taken as zero."""
        whole, kept = self.magnitude(call, output), self.magnitude(call, output, flushed=True)
        lost = whole.high - kept.high
        # the difference of two floats is rounded once more
        error = whole.error + kept.error + DTYPES["f64"].unit_roundoff * lost
        return Certified(lost, np.zeros_like(lost), error, lambda index: whole[index] - kept[index])

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


def foreseen(call: Call, arrays: Arrays) -> Foreseen:
    """A call that will be made."""
    arguments = [arrays[each] if isinstance(each, str) else each for each in call.arguments]
    return Foreseen(call.function, arguments, call.options)


def present(oracle: Any, call: Call, arrays: Arrays) -> dict[str, Any]:
    """What an oracle says of a call, of the outputs that there are: without a bias it has no gradient."""
    with np.errstate(all="ignore"):
        return {name: array for name, array in perform(oracle, call, arrays).items() if array is not None}


def owned(results: Sequence[Array], arrays: Arrays) -> bool:
    """Whether results surely are in memory of their own, each entry at its own place, and can be written to.

    What is seen at once: results whose bounds in memory overlap others' are in doubt, and so are gaps between entries.
    """
    for number, result in enumerate(results):
        others = (*arrays.values(), *results[:number])
        if not (result.flags.writeable and result.flags.forc):
            return False
        if any(np.may_share_memory(result, other) for other in others):
            return False
    return True
