"""What is judged of an operator on which the subject crashes or hangs, once it is known where it does so.

Each crash costs a process, and each hang the longest time of a call. So after a few of them an operator is left, until
its failures are minimised and described. Then the cases that their conditions describe are skipped, and all others
judged, where there may be more such failures; so it goes on for a few rounds.
"""

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from convgate.diagnosis.reduce import Found
from convgate.results.events import Event, Minimizing, ShardJudged
from convgate.results.failure import Failure
from convgate.results.record import operator_of
from convgate.results.verdicts import DEATHS, Result
from convgate.run.distinct_failures import crash_of, distinct_failures, ends_like, groups_of, is_valid_crash
from convgate.run.judge_shards import judge_shards
from convgate.run.shards import Shard, planned_cases
from convgate.run.tally import Tally
from convgate.run.tasks import Region
from convgate.run.workers import Workers

__all__ = ["Rest", "judge_rest"]


@dataclass
class Rest:
    """What came of the cases that were left.

    Parameters
    ----------
    told : list of (Failure, Found)
        The crashes and hangs that were described on the way.
    explained : set of (str, Result)
        The failing cases that they are of.
    skipped : Counter
        Operator to number of cases that lie where the subject is known to crash or hang.
    given_up : Counter
        Operator to number of cases that were not judged, as it goes on crashing or hanging elsewhere.
    """

    told: list[tuple[Failure, Found]] = field(default_factory=list)
    explained: set[tuple[str, Result]] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)

    @property
    def crashes(self) -> set[tuple[str, str]]:
        """The crashes on valid arguments."""
        return {crash_of(found.minimal, found.result) for _, found in self.told if is_valid_crash(found.result)}

    def knows(self, failure: Failure, found: Found) -> bool:
        """Whether a failure has been told already."""
        return any(failure.fingerprint == each.fingerprint for each, _ in self.told) or ends_like(
            found.minimal, found.result, self.crashes
        )

    def sentence(self, tally: Tally) -> str:
        """How many cases were not judged, as the end of a sentence; empty if all were."""
        found = ""
        for operator in dict.fromkeys([*self.skipped, *self.given_up]):
            skipped, left = self.skipped[operator], self.given_up[operator]
            planned = tally.cases[operator] + skipped + left
            if skipped:
                found += (
                    f"; {operator}: {skipped} of {planned} cases were skipped, as it crashes or hangs on such cases"
                )
            if left:
                deaths = sum(each.verdict in DEATHS and operator_of(spec) == operator for spec, each in tally.failing)
                found += (
                    f"; {operator} was given up after {deaths} crashes or hangs, with {left} of {planned} cases to go"
                )
        return found


def judge_rest(workers: Workers, subject: str, tally: Tally, left: Sequence[Shard]) -> Generator[Event, None, Rest]:
    """Describe the crashes and hangs of a run, and judge what was left because of them.

    Parameters
    ----------
    workers : Workers
        The processes.
    subject : str
        The code under test.
    tally : Tally
        Of the run; what is judged is added to it.
    left : sequence of Shard
        What has not been judged.

    Yields
    ------
    Event
        How it goes on.

    Returns
    -------
    Rest
    """
    rest = Rest()
    regions: dict[str, list[Region]] = {}
    for _ in range(workers.limits.most_rounds if left else 0):
        waiting = {shard.operator for shard in left}
        new = [
            (spec, result)
            for spec, result in tally.failing
            if result.verdict in DEATHS and operator_of(spec) in waiting and (spec, result) not in rest.explained
        ]
        groups = groups_of(Tally(failing=new))
        yield Minimizing(len(groups))
        found = [pair for pair in distinct_failures(workers, subject, groups, tally.judged) if not rest.knows(*pair)]
        rest.told += found
        rest.explained |= set(new)
        described = set()
        for failure, _ in found:
            if failure.when is not None and failure.when.conditions is not None:
                region = Region(failure.minimal, failure.found, failure.when)
                regions.setdefault(failure.operator, []).append(region)
                described.add(failure.operator)
        # of the others it is not known where they crash or hang
        going_on = [shard for shard in left if shard.operator in described]
        left = [shard for shard in left if shard.operator not in described]
        for shard in left:
            rest.given_up[shard.operator] += planned_cases(shard)
        left = []
        for shard, part in judge_shards(workers, subject, going_on, regions):
            tally.merge(part.tally)
            rest.skipped[shard.operator] += part.skipped
            left += [part.left] if part.left is not None else []
            done = planned_cases(shard) - (planned_cases(part.left) if part.left is not None else 0)
            yield ShardJudged(part.tally.cases.total(), done, len(part.tally.failing))
        if not left:
            break
    for shard in left:
        rest.given_up[shard.operator] += planned_cases(shard)
    rest.told = [pair for pair in rest.told if not ends_like(pair[1].minimal, pair[1].result, rest.crashes)]
    return rest
