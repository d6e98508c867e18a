"""The kill matrix as pages: survivors first, totals by class."""

from dataclasses import replace
from io import StringIO

from markdown_it import MarkdownIt
from rich.console import Console

from convgate.selftest.qualification import Explained, JudgedFault, Kill, Qualification
from convgate.selftest.report_kills import as_json, as_markdown, show_kills

FOUND = JudgedFault(
    name="conv2d_swaps_stride",
    bug_class=16,
    operator="conv2d",
    stage="forward",
    depth=1,
    diff="  conv2d\n- j * sw\n+ j * sh",
    smallest="conv2d:w2s2x1",
    trigger=("stride_h != stride_w",),
    kills={
        "identity": Kill(case=21, spec="conv2d:w5s2x1", seconds=0.5),
        "forward": Kill(case=3, spec="conv2d:w4s2x1", seconds=0.1),
        "finite_difference": Kill(case=3, spec="conv2d:w4s2x1", seconds=0.1),
    },
    without_torch=("forward", "finite_difference", "identity"),
    usual=False,
    failures=(
        Explained(
            check="forward",
            symptom="wrong shape",
            minimal="conv2d:w2s2x1",
            conditions=("stride_h != stride_w",),
            having=427,
            failing=414,
        ),
    ),
    exact=True,
    small=True,
)
SURVIVOR = replace(
    FOUND, name="conv2d_hides", bug_class=28, kills={}, without_torch=(), failures=(), exact=False, small=False
)


def qualification(*faults: JudgedFault) -> Qualification:
    return Qualification(
        profile="smoke",
        seed=0,
        faults=faults,
        started_at="2026-11-01T00:00:00+00:00",
        seconds=12.0,
        jobs=2,
        explained=True,
        versions={"numpy": "2"},
    )


def shown(found: Qualification) -> str:
    text = StringIO()
    show_kills(found, Console(file=text, width=150))
    return text.getvalue()


def test_the_check_that_finds_a_fault_is_the_first_in_the_order_of_blame() -> None:
    assert FOUND.found_by == "forward"
    assert FOUND.by_gradients
    assert qualification(FOUND).median_case == 3
    assert SURVIVOR.found_by == ""


def test_survivors_come_first_and_say_how_to_see_them() -> None:
    text = shown(qualification(FOUND, SURVIVOR))
    assert text.index("conv2d_hides") < text.index("conv2d_swaps_stride")
    assert "survives: conv2d_hides (class 28); look at convgate replay conv2d:w2s2x1 --subject" in text
    assert "--subject convgate.selftest.faults:conv2d_hides" in text
    assert text.rstrip().endswith("The gate at profile smoke finds 1 of 2 faults, half of them within 3 cases.")
    page = as_markdown(qualification(FOUND, SURVIVOR))
    assert page.index("(#conv2d_hides)") < page.index("(#conv2d_swaps_stride)")


def test_a_run_without_survivors_says_nothing_of_any() -> None:
    assert "survives" not in shown(qualification(FOUND))
    assert "finds 1 of 1 faults" in shown(qualification(FOUND))


def test_the_page_is_markdown_with_a_row_for_each_class_and_each_fault() -> None:
    html = MarkdownIt("commonmark").enable("table").render(as_markdown(qualification(FOUND, SURVIVOR)))
    shares, classes, faults = (part.split("</table>")[0] for part in html.split("<table>")[1:])
    assert classes.count("<tr>") == 1 + 2 + 1
    assert faults.count("<tr>") == 1 + 2
    assert "<strong>3</strong>" in faults
    assert "found by the gate" in shares
    assert '<code class="language-diff">' in html


def test_the_columns_tell_what_some_kinds_of_check_find_alone() -> None:
    text = shown(qualification(FOUND, SURVIVOR))
    assert "1 of 2 (50 %) found without PyTorch" in text
    assert "1 of 2 (50 %) found by gradient checks alone" in text
    assert "0 of 2 (0 %) found by a usual test" in text


def test_the_page_says_why_pytorch_adds_nothing_and_what_gradient_checks_cannot_see() -> None:
    page = as_markdown(qualification(FOUND))
    assert "PyTorch only has a veto: if it contradicts the definition, the subject is not blamed" in page
    assert "They cannot see errors that both passes share" in page
    assert "gradient checks alone*" not in as_markdown(replace(qualification(FOUND), explained=False))


def test_what_was_not_asked_for_is_not_counted() -> None:
    found = replace(qualification(FOUND), explained=False)
    assert "reported as one failure" in shown(qualification(FOUND))
    assert "reported as one failure" not in shown(found)


def test_a_quick_run_counts_ticks_and_promises_nothing_that_it_did_not_look_for() -> None:
    faults = [replace(each, exact=None, small=None, failures=()) for each in (FOUND, SURVIVOR)]
    found = replace(qualification(*faults), explained=False, names=("conv2d_*",))
    page = as_markdown(found)
    assert "`convgate qualify 'conv2d_*' --quick --profile smoke --seed 0 --markdown FILE`" in page
    assert "| usual |" in page
    assert "cases after the first kill" not in page
    assert "gradient" not in page.split("## Changes and explanations")[0].replace("finite", "")
    assert "gradients alone" not in shown(found)
    assert '"exact": null' in as_json(found)


def test_the_page_says_how_many_of_the_cases_that_meet_the_conditions_fail() -> None:
    assert "when `stride_h != stride_w` (414 of 427 such cases fail)" in as_markdown(qualification(FOUND))


def test_a_survivor_that_shows_after_another_case_is_replayed_after_it() -> None:
    keeps = replace(SURVIVOR, smallest="im2col:w3k1x2d1x2", after="im2col:w3k1x2")
    line = "convgate replay im2col:w3k1x2d1x2 --after im2col:w3k1x2 --subject convgate.selftest.faults:conv2d_hides"
    assert line in shown(qualification(keeps))
