"""Judge shards in parallel."""

from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future

from convgate.run.shards import Shard
from convgate.run.tasks import Part, Region, judge_shard
from convgate.run.workers import Dead, Workers

__all__ = ["JudgeError", "judge_shards"]


class JudgeError(Exception):
    """The judge's own process ended, or did not come back: nothing can be said of the subject."""


def judge_shards(
    workers: Workers, subject: str, shards: Sequence[Shard], regions: Mapping[str, Sequence[Region]] | None = None
) -> Generator[tuple[Shard, Part], None, None]:
    """Judge shards in parallel; what came of them comes in their order. What is under way at the end is given up.

    An operator on which the subject crashes or hangs too often is left: each further time could cost a process.

    Parameters
    ----------
    workers : Workers
        The processes.
    subject : str
        The code under test.
    shards : sequence of Shard
        The cases.
    regions : dict or None
        By operator, where the subject is known to crash or hang; cases there are skipped.

    Yields
    ------
    (Shard, Part)
        The part says which cases of the shard are left to judge.
    """
    running = deque[tuple[Shard, Future[Part]]]()
    try:
        yield from judge_pending(workers, subject, deque(shards), running, regions or {})
    finally:
        for _, future in running:
            future.cancel()


def judge_pending(
    workers: Workers,
    subject: str,
    pending: deque[Shard],
    running: deque[tuple[Shard, Future[Part]]],
    regions: Mapping[str, Sequence[Region]],
) -> Iterator[tuple[Shard, Part]]:
    """The same with the shards that wait and those under way."""
    limits = workers.limits
    budget: dict[str, int] = defaultdict(lambda: limits.most_dead)
    while pending or running:
        while pending and len(running) < limits.ahead * workers.jobs:
            shard = pending.popleft()
            task = (subject, shard, budget[shard.operator], tuple(regions.get(shard.operator, ())))
            running.append((shard, workers.submit(judge_shard, *task, seconds=limits.shard_seconds)))
        shard, future = running.popleft()
        part = workers.answer(future)
        if isinstance(part, Dead):
            raise JudgeError(f"the judge itself did not come back from a shard of {shard.operator}: {part.message}")
        if part.deaths:
            budget[shard.operator] -= part.deaths
            # those of the operator that are under way were allowed more, so that it would depend on the number of
            # workers what is judged: put them back
            again = [pair for pair in running if pair[0].operator == shard.operator]
            for pair in again:
                pair[1].cancel()
                running.remove(pair)
            pending.extendleft(each for each, _ in reversed(again))
        yield shard, part
