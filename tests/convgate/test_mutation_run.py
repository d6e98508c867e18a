"""Each mutant of `impl` is found by a check, or known to be equivalent; anything else is said."""

from dataclasses import replace
from io import StringIO
from typing import Any

from rich.console import Console

from convgate.run.shards import Shard
from convgate.run.tasks import prepare
from convgate.run.workers import open_workers
from convgate.selftest.faults.mutants import mutants_of
from convgate.selftest.mutation_run import FoundBy, Survey, judge_mutants, one_by_one
from convgate.selftest.report_mutants import show_survey

MUTANTS = {each.becomes: each for each in mutants_of("impl").values() if each.function in {"add_columns", "col2im"}}
ASSIGNS = MUTANTS["sums[:, *place] = columns[:, row]"].id
KEEPS = MUTANTS["return np.moveaxis(sums[:, *windows.interior], -1, 0)"].id


def surveyed(**changes: Any) -> Survey:
    """A survey of two mutants of which one is found, and the other equivalent."""
    mutants = {each.id: each for each in MUTANTS.values() if each.id in {ASSIGNS, KEEPS}}
    found = {ASSIGNS: FoundBy(ASSIGNS, "col2im", "forward", "col2im:h3k2x1")}
    return replace(Survey("pr", 0, mutants, found, {KEEPS: "the protocol leaves it open"}), **changes)


def shown(survey: Survey) -> str:
    """What the terminal says."""
    file = StringIO()
    show_survey(survey, Console(width=100, file=file))
    return file.getvalue()


def test_a_mutant_is_found_by_the_first_case_and_check_that_show_it() -> None:
    shard = Shard("col2im", specs=("col2im:h2k1", "col2im:h3k2x1", "col2im:h4k2x1"))
    with open_workers(1, prepare, "impl") as workers:
        found = list(judge_mutants(workers, (ASSIGNS, KEEPS), shard))
    assert found == [FoundBy(ASSIGNS, "col2im", "forward", "col2im:h3k2x1")]


def test_the_first_cases_are_judged_one_at_a_time_and_all_once() -> None:
    specs = tuple(f"col2im:h{height}" for height in range(1, 26))
    later = Shard("col2im", 0, 0, 25)
    shards = list(one_by_one([Shard("col2im", specs=specs), later]))
    assert tuple(spec for shard in shards for spec in shard.specs) == specs
    assert [len(shard.specs) for shard in shards[:3]] == [1, 1, 1]
    assert shards[-1] == later


def test_a_survey_is_as_known_if_equivalent_mutants_survive_and_no_others() -> None:
    survey = surveyed()
    assert survey.as_known
    assert "1 of 1 mutants are found (100 %), not counting 1 equivalent ones" in shown(survey)


def test_a_survivor_of_which_nobody_knows_why_is_shown_with_its_change() -> None:
    survey = surveyed(equivalents={})
    assert not survey.as_known
    assert [each.id for each in survey.survivors] == [KEEPS]
    text = shown(survey)
    assert f"survives: {KEEPS} (impl.im2col, line " in text
    assert "\n- return np.moveaxis(sums[:, *windows.interior], -1, 0).copy()\n+ return np.moveaxis(" in text
    assert "1 of 2 mutants are found (50 %)" in text


def test_what_is_wrong_in_the_list_of_equivalent_mutants_is_said() -> None:
    survey = surveyed(equivalents={KEEPS: "known", ASSIGNS: "wrong", "impl_im2col_0": "gone"})
    assert not survey.as_known
    text = shown(survey)
    assert f"not equivalent: {ASSIGNS}: forward finds it in col2im:h3k2x1" in text
    assert "stale: impl_im2col_0 no longer exists" in text
