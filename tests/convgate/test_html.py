"""The HTML report, as people meet it: in a real browser, headless, from a file.

Pictures of it are written to the folder that CONVGATE_SCREENSHOTS names.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

import impl
from convgate.cases.case import case_rule
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.explain import picture
from convgate.diagnosis.store import make_failure
from convgate.judging.checks import CHECKS, judge
from convgate.report.html import render
from convgate.results.coverage import STRENGTHS
from convgate.results.failure import When
from convgate.results.picture import Grid, Picture
from convgate.results.record import CheckCounts, Disagreement, JudgedCase, RunRecord, SavedFailure
from convgate.results.verdicts import primary_failure
from convgate.run.summary import oracles, summary_of
from convgate.run.tally import Tally, counts_by_check, total_counts, verdict_of
from convgate.shapes.coverage import coverage_of
from convgate.shapes.space import space_of
from convgate.sources.covering import covering_cases
from convgate.sources.fuzz import draw_cases

SCREENSHOTS = os.environ.get("CONVGATE_SCREENSHOTS", "")
EXAMPLES = Path(__file__).parents[2] / "examples"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MINIMAL = "conv2d:h3w8k2s1x3:points@x.0.0.1.6@weight.0.0.0.0"
MEGABYTE = 1_000_000
Array = NDArray[Any]


def gappy_conv2d(x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Array:
    """A convolution that leaves the last column out where the stride is larger than the kernel."""
    y: Array = impl.conv2d(x, weight, bias, **options)
    if options["stride"][1] > weight.shape[3]:
        y[..., -1] = 0
    return y


GAPPY = SimpleNamespace(conv2d=gappy_conv2d, conv2d_backward=impl.conv2d_backward, im2col=impl.im2col)


def judged_by(subject: Any, *operators: str) -> RunRecord:
    """The record of judging a subject on covering cases, in this process."""
    tally = Tally()
    for operator in operators:
        for case in [*covering_cases(operator, 2, 0), *draw_cases(operator, 7, 0, 25, subject)]:
            started = time.perf_counter()
            results = judge(case, subject)
            seconds = time.perf_counter() - started
            tally.add(operator, format_spec(case), results, primary_failure(results), seconds)
    coverage = coverage_of(tally.judged, operators)
    verdict, reason = verdict_of(tally, operators, [])
    return RunRecord(
        subject="gappy" if subject is GAPPY else "impl",
        operators=list(operators),
        profile="smoke",
        seed=7,
        verdict=verdict,
        reason=reason,
        cases=tally.cases.total(),
        started_at="2026-01-02T03:04:05+00:00",
        seconds=12.3,
        counts=total_counts(tally),
        checks=counts_by_check(tally, operators),
        failures=[failure_of(subject, len(tally.failing), tally.failing[0][0])] if tally.failing else [],
        coverage=[coverage[operator].count(t) for operator in operators for t in STRENGTHS],
        judged=tally.judged,
        oracles_disagree=[],
        versions={"python": "3.11.7", "convgate": "0.1.0", "numpy": "2.4.6", "torch": "2.13.0"},
    )


def failure_of(subject: Any, cases: int, found: str) -> SavedFailure:
    """What fails on a small case with data to look at."""
    case = parse_spec(MINIMAL)
    result = primary_failure(judge(case, subject))
    assert result is not None
    when = When(conditions=("stride_w > kernel_w", "output_w > 1"), having=1041, failing=1041, others=958, passing=958)
    failure = make_failure("gappy", found, case, result, cases=cases, when=when, picture=picture(case, subject, result))
    return SavedFailure(**vars(failure), folder=f"my reports/failures/{failure.folder_name}")


@pytest.fixture(scope="module")
def failing() -> RunRecord:
    return judged_by(GAPPY, "conv2d", "im2col")


@pytest.fixture(scope="module")
def passing() -> RunRecord:
    return judged_by(impl, "im2col")


@pytest.fixture(scope="module")
def gappy_coverage(passing: RunRecord) -> RunRecord:
    """A run of so few cases that pairs are missing."""
    judged = [each for each in passing.judged if parse_spec(each.spec).problem.padding == (0, 0)]
    coverage = coverage_of(judged, ["im2col"])["im2col"]
    return replace(passing, judged=judged, coverage=[coverage.count(t) for t in STRENGTHS])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CONVGATE_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        reason = f"none of {', '.join(BROWSERS)} is here, and CONVGATE_BROWSER names no other"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


Opened = Callable[..., Page]


@cache
def page_of(record: bytes) -> str:
    """The page of a record in JSON; most tests look at the same few."""
    return render(summary_of(msgspec.json.decode(record, type=RunRecord)))


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Open a record's page, or one that is there; at the end nothing may have been fetched, and nothing complained."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opening(page: RunRecord | Path, *, width: int = 1200, **options: Any) -> Page:
        file = page if isinstance(page, Path) else tmp_path / f"{len(contexts)}.html"
        if isinstance(page, RunRecord):
            file.write_text(page_of(msgspec.json.encode(page)), encoding="utf-8")
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        tab = contexts[-1].new_page()
        tab.on("request", lambda request: complaints.append(request.url) if request.url != file.as_uri() else None)
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(file.as_uri())
        return tab

    yield opening
    for context in contexts:
        context.close()
    assert [each for each in complaints if not each.startswith("data:")] == []


def text(page: Page, selector: str) -> str:
    return " ".join(page.locator(selector).inner_text().split())


# what it says


def test_the_top_says_in_words_what_came_out_and_what_was_looked_at(opened: Opened, failing: RunRecord) -> None:
    top = text(opened(failing), "header")
    assert "gappy fails" in top
    assert f"{failing.reason}." in top
    pairs = sum(int(space_of(operator).feasible(2).sum()) for operator in ("conv2d", "im2col"))
    assert f"cover all {pairs:,} feasible pairs of shape classes and" in top
    assert "conv2d and im2col, compared with the definition and PyTorch, exact finite differences, identities" in top


def test_a_run_without_failures_says_so(opened: Opened, passing: RunRecord) -> None:
    page = opened(passing)
    assert "impl conforms" in text(page, "h1")
    assert text(page, "#failures") == "Failures No case failed."


def test_a_run_that_verified_too_little_does_not_look_like_a_pass(opened: Opened, passing: RunRecord) -> None:
    reason = "im2col: only 3 of 97 cases verified anything; half are needed"
    page = opened(replace(passing, verdict="insufficient", reason=reason))
    assert "impl is not verified" in text(page, "h1")
    assert "im2col: only 3 of 97 cases" in text(page, "header")


def test_a_failure_says_first_when_it_fails(opened: Opened, failing: RunRecord) -> None:
    page = opened(failing)
    heading = text(page, "article h3")
    assert heading == (
        "Fails when stride_w > kernel_w and output_w > 1 (1,041 of 1,041), passes otherwise (958 of 958)."
    )
    shown = text(page, "article")
    assert failing.failures[0].message in shown
    assert f"{failing.failures[0].cases} failing cases" in shown
    assert failing.failures[0].found in shown


def test_without_conditions_a_failure_says_first_what_is_wrong(opened: Opened, failing: RunRecord) -> None:
    failure = replace(failing.failures[0], when=None)
    assert text(opened(replace(failing, failures=[failure])), "article h3") == failure.message


def test_the_minimal_case_is_drawn_with_its_wrong_entry_marked(opened: Opened, failing: RunRecord) -> None:
    page = opened(failing)
    drawn = page.locator("table.grid").evaluate_all(
        "grids => grids.map(grid => [...grid.rows].map(row => [...row.cells].map(cell => cell.firstChild.data)))"
    )
    shown = failing.failures[0].picture
    assert drawn == [each.rows for each in [*shown.data, *shown.outputs]]
    expected, actual = page.locator("table.expected .marked"), page.locator("table.actual .marked")
    assert (expected.count(), actual.count()) == (1, 1)
    assert text(page, "table.actual .marked").endswith("(wrong)")
    styles = [
        each.evaluate("cell => [getComputedStyle(cell).outlineColor, getComputedStyle(cell, '::after').content]")
        for each in (expected, actual)
    ]
    assert [sign for _, sign in styles] == ['"✓"', '"✗"']
    assert styles[0][0] != styles[1][0]


def test_a_failure_that_has_no_grids_says_what_was_expected(opened: Opened, failing: RunRecord) -> None:
    gone = Picture("The process did not come back, so there is nothing to show.", [], [])
    failure = replace(failing.failures[0], picture=gone, expected="a result", actual="crashed")
    shown = text(opened(replace(failing, failures=[failure])), "article")
    assert "did not come back" in shown
    assert "Expected a result, got crashed." in shown


def test_an_empty_array_is_drawn_as_such(opened: Opened, failing: RunRecord) -> None:
    shown = Picture("conv2d(x)", [Grid("x (empty, 0 x 1)", [])], [])
    page = opened(replace(failing, failures=[replace(failing.failures[0], picture=shown)]))
    assert text(page, "table.grid") == "x (empty, 0 x 1) no entries"


def test_every_check_stands_behind_one_oracle() -> None:
    assert sorted(check for asked in oracles().values() for check in asked) == sorted(CHECKS)


def test_the_checks_are_counted_by_oracle_and_operator(opened: Opened, failing: RunRecord) -> None:
    page = opened(failing)
    row = page.locator("#checks tr").filter(has=page.locator("th:text-matches('^forward')"))
    cells = [" ".join(each.split()) for each in row.locator("td").all_inner_texts()]
    (counts,) = [each.counts for each in failing.checks if (each.operator, each.check) == ("conv2d", "forward")]
    assert cells[1].startswith(f"{counts['passed']:,} {counts['failed']:,} failed")
    assert page.locator("#checks .oracle th").all_inner_texts() == list(oracles())


def test_oracles_that_disagree_are_listed(opened: Opened, passing: RunRecord) -> None:
    cases = [
        Disagreement(spec=f"im2col:{seed}", check="forward", message=f"they differ {seed}") for seed in range(1010)
    ]
    page = opened(replace(passing, oracles_disagree=cases))
    assert "The first 1,000 of 1,010;" in text(page, "#failures")
    assert "im2col:0" in text(page, "#failures")
    assert "they differ 999" in text(page, "#failures")


def test_the_ten_slowest_cases_stand_in_order(opened: Opened, failing: RunRecord) -> None:
    shown = opened(failing).locator("#slowest tbody tr:visible code").all_inner_texts()
    assert shown == [each.spec for each in sorted(failing.judged, key=lambda each: -each.seconds)[:10]]


def test_the_run_says_how_to_make_it_again(opened: Opened, failing: RunRecord) -> None:
    run = text(opened(failing), "#run")
    assert "convgate gate --subject gappy --profile smoke --seed 7 --operators conv2d,im2col" in run
    for name, version in failing.versions.items():
        assert f"{name} {version}" in run


# what it does


@pytest.mark.parametrize("clipboard", [True, False], ids=["clipboard", "no clipboard"])
def test_the_copy_button_copies_the_line_that_repeats_the_failure(
    opened: Opened, failing: RunRecord, *, clipboard: bool
) -> None:
    page = opened(failing, permissions=["clipboard-read", "clipboard-write"])
    if not clipboard:
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')); }")
    button = page.get_by_role("button", name="Copy the command that reproduces it")
    button.click()
    line = f"convgate replay '{failing.failures[0].folder}'"
    page.get_by_text(f"Copied: {line}").wait_for(state="attached")
    assert page.evaluate("navigator.clipboard.readText()") == line
    assert button.inner_text() == "Copied"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Copy the command that reproduces it"
    page.get_by_role("button", name="Copy the minimal spec").click()
    page.get_by_text(f"Copied: {MINIMAL}").wait_for(state="attached")
    assert page.evaluate("navigator.clipboard.readText()") == MINIMAL


def test_the_filter_leaves_one_operator(opened: Opened, failing: RunRecord) -> None:
    page = opened(failing)
    everything = page.locator("[data-operator]:visible").count()
    page.get_by_role("radio", name="im2col").check()
    assert set(page.locator("[data-operator]:visible").evaluate_all("all => all.map(e => e.dataset.operator)")) == {
        "im2col"
    }
    assert "None for im2col." in text(page, "#failures")
    assert page.locator("#slowest tbody tr:visible").count() == 10
    assert page.locator("details:visible").get_attribute("open") is not None
    assert page.get_by_role("status").inner_text() == "Showing only im2col."
    page.keyboard.press("ArrowLeft")
    assert set(page.locator("details:visible").evaluate_all("all => all.map(e => e.dataset.operator)")) == {"conv2d"}
    assert page.locator("article:visible").count() == 1
    page.get_by_role("radio", name="All").check()
    assert page.locator("[data-operator]:visible").count() == everything


def test_a_click_on_a_square_shows_the_classes_of_its_two_features(opened: Opened, failing: RunRecord) -> None:
    page = opened(failing)
    page.get_by_role("button", name=re.compile("^kernel_w and stride_w:")).click()
    rows = [row.split() for row in page.locator(".classes tbody tr").all_inner_texts()]
    assert [row[-3:] for row in rows[:3]] == [
        ["covered", "covered", "covered"],
        ["infeasible", "covered", "covered"],
        ["infeasible", "covered", "covered"],
    ]
    # whether some or all of these cases fail depends on what is judged beside them
    assert set(rows[3][-3:]) <= {"failing", "broken"}
    assert page.locator(".classes thead th").all_inner_texts() == ["kernel_w = 1", "kernel_w even", "kernel_w odd, > 1"]
    assert page.locator(".heat [aria-current]").count() == 1


def test_the_map_is_walked_with_arrow_keys_and_opened_with_enter(opened: Opened, passing: RunRecord) -> None:
    page = opened(passing)
    page.locator("summary").focus()
    while not page.evaluate("document.activeElement.closest('.heat')"):
        page.keyboard.press("Tab")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith("kernel_h and large_kernel_h:")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    assert page.evaluate(focused).startswith("large_kernel_h and stride_h:")
    page.keyboard.press("Enter")
    assert page.locator(".classes caption").inner_text() == "large_kernel_h and stride_h"
    page.keyboard.press("End")
    page.keyboard.press("Home")
    assert page.evaluate(focused).startswith("kernel_h and stride_h:")
    assert page.locator('.heat [tabindex="0"]').count() == 1


def test_a_square_with_missing_pairs_names_cases_that_would_cover_them(
    opened: Opened, gappy_coverage: RunRecord
) -> None:
    page = opened(gappy_coverage)
    square = page.get_by_role("button", name="padding_h and output_h:")
    assert "missing" in (square.get_attribute("class") or "")
    square.click()
    specs = page.locator(".closing code").all_inner_texts()
    assert len(specs) == page.locator(".classes td .missing").count() > 0
    have = coverage_of(gappy_coverage.judged, ["im2col"])["im2col"]
    wanted = {gap.conditions: gap.spec for gap in have.gaps(2)}
    for sentence, spec in zip(page.locator(".closing li").all_inner_texts(), specs, strict=True):
        first, second = sentence.partition(" would be covered by")[0].split(" and ")
        assert wanted[first, second] == spec


def test_gaps_are_counted_and_each_has_a_case(opened: Opened, gappy_coverage: RunRecord) -> None:
    page = opened(gappy_coverage)
    missing = sum(count.feasible - count.covered for count in gappy_coverage.coverage)
    assert f"{missing:,} feasible combinations of up to three classes have no case" in text(page, ".map")
    specs = page.locator(".gaps code").all_inner_texts()
    assert len(specs) == 50
    for spec in specs:
        assert case_rule(parse_spec(spec)) is None


def test_without_gaps_the_page_says_so(opened: Opened, passing: RunRecord) -> None:
    full = [replace(count, covered=count.feasible) for count in passing.coverage]
    assert "None: every feasible combination" in text(opened(replace(passing, coverage=full)), ".map")


def test_without_scripts_the_facts_are_there_and_nothing_that_does_not_work(opened: Opened, failing: RunRecord) -> None:
    page = opened(failing, java_script_enabled=False)
    shown = " ".join(page.content().split())
    assert page.locator("h1").is_visible()
    assert page.locator("article").is_visible()
    assert page.get_by_text(MINIMAL, exact=True).first.is_visible()
    assert page.locator(".figures").is_visible()
    assert "feasible combinations of up to three classes have no case" in shown
    assert page.locator("#checks .oracle").count() == len(oracles())
    assert page.locator("button.copy:visible, fieldset:visible").count() == 0


# who can read it

# WCAG 2.2: relative luminance and contrast of what is seen, whatever notation the colours have.
CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = rgba(getComputedStyle(each).backgroundColor);
      if (found[3] === 255) return found;
    }
    return rgba(getComputedStyle(document.body).backgroundColor);
  };
  const light = ([r, g, b]) => [r, g, b].map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const seen = [...document.querySelectorAll('body *')].filter((each) => each.checkVisibility()
    && !each.matches('.unseen, .skip, option') && !each.closest('.unseen')
    && ([...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) || each.matches('.heat button')));
  return seen.map((each) => {
    const [one, other] = [light(rgba(getComputedStyle(each).color)), light(behind(each))].sort((a, b) => b - a);
    return [(one + 0.05) / (other + 0.05), `${each.tagName}.${each.className} ${each.textContent.slice(0, 40)}`];
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_what_is_behind_it(
    opened: Opened, failing: RunRecord, gappy_coverage: RunRecord, scheme: str
) -> None:
    for record in (failing, gappy_coverage):
        page = opened(record, color_scheme=scheme)
        page.locator(".heat button").nth(5).click()
        page.get_by_role("button", name="Copy").first.click()
        page.get_by_text("Copied", exact=True).wait_for()
        contrasts = page.evaluate(CONTRAST)
        assert len(contrasts) > 400
        assert min(contrasts)[0] >= 4.5, min(contrasts)


def test_the_verdict_stands_out_from_its_wash(opened: Opened, failing: RunRecord) -> None:
    for scheme in ("light", "dark"):
        page = opened(failing, color_scheme=scheme)
        page.locator("main, .toolbar").evaluate_all("all => all.forEach(each => each.remove())")
        for verdict in ("conforms", "fails", "insufficient"):
            # the gradient begins with the wash
            page.locator("header").evaluate(
                """(header, verdict) => {
                header.className = `verdict ${verdict}`;
                header.style.background = getComputedStyle(header).getPropertyValue('--wash');
            }""",
                verdict,
            )
            contrasts = page.evaluate(CONTRAST)
            assert len(contrasts) > 10
            assert min(contrasts)[0] >= 4.5, (verdict, scheme, min(contrasts))


def test_in_the_dark_the_page_is_dark(opened: Opened, passing: RunRecord) -> None:
    colour = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)"
    light, dark = (opened(passing, color_scheme=scheme).evaluate(colour) for scheme in ("light", "dark"))
    assert min(light) > 230
    assert max(dark) < 40


@pytest.mark.parametrize("width", [320, 360, 768, 1000, 1100])
def test_nothing_sticks_out_sideways(opened: Opened, failing: RunRecord, gappy_coverage: RunRecord, width: int) -> None:
    for record in (failing, gappy_coverage):
        page = opened(record, width=width)
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        page.locator(".heat button").nth(70).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        outer = "[...document.querySelectorAll('article > *, .grid, article .copyable, .scroll, .panel')]"
        assert max(page.evaluate(f"{outer}.map(each => each.getBoundingClientRect().right)")) <= width


@pytest.mark.parametrize("width", [1152, 1200, 1600])
def test_the_panel_leaves_the_map_free(opened: Opened, failing: RunRecord, width: int) -> None:
    page = opened(failing, width=width)
    page.get_by_role("button", name="layout and fill:").click()
    covered = page.evaluate("""() => {
        const box = (each) => each.getBoundingClientRect();
        const panel = box(document.querySelector('.panel'));
        return [...document.querySelectorAll('.heat button, .heat th span')]
            .map(box).filter((each) => each.width && each.right > panel.left && each.top < panel.bottom).length;
    }""")
    assert covered == 0


def test_headings_go_down_one_step_at_a_time(opened: Opened, failing: RunRecord) -> None:
    levels = opened(failing).locator("h1, h2, h3, h4").evaluate_all("all => all.map(e => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_all_that_can_be_read_or_pressed_has_a_name(opened: Opened, failing: RunRecord) -> None:
    page = opened(failing)
    page.locator(".heat button").nth(5).click()
    for table in page.locator("table").all():
        assert table.evaluate("table => table.caption.textContent.trim().length > 0")
    for kind in ("button", "radio", "region", "navigation", "grid", "article", "group"):
        every = page.get_by_role(kind, include_hidden=True)
        assert every.count() > 0
        named = page.get_by_role(kind, name=re.compile(r"\w"), include_hidden=True)
        assert kind == "group" or named.count() == every.count()
    ids = page.locator("[id]").evaluate_all("all => all.map(e => e.id)")
    assert len(ids) == len(set(ids))
    for link in page.locator("nav a").all():
        assert page.locator(link.get_attribute("href") or "").count() == 1


def test_a_screen_reader_hears_the_verdict_the_failure_and_its_marks(opened: Opened, failing: RunRecord) -> None:
    heard = opened(failing).locator("body").aria_snapshot()
    for words in (
        'heading "gappy fails" [level=1]',
        'heading "Failures" [level=2]',
        'article "Fails when stride_w > kernel_w',
        "(wrong)",
        'radio "All" [checked]',
        "main:",
        "banner:",
    ):
        assert words in heard


def test_the_first_tab_leads_past_the_bar(opened: Opened, passing: RunRecord) -> None:
    page = opened(passing)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to")
    assert skip.bounding_box() is not None
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


# what it withstands

ATTACK = (
    "<script>window.hacked=1</script>\"'><img src=x onerror=window.hacked=1></script></style>"
    "<!--<script>{{7*7}}{% raise %}javascript:window.hacked=1 \u2028 \u202e \U0001f600"
)


@pytest.mark.parametrize("bypass_csp", [False, True], ids=["with its policy", "without a policy"])
def test_foreign_names_stay_text(opened: Opened, failing: RunRecord, *, bypass_csp: bool) -> None:
    shown = Picture(ATTACK, [Grid(ATTACK, [[ATTACK, "1"]], (0, 0))], [Grid(ATTACK, [[ATTACK]], (0, 0))] * 2)
    when = When(conditions=(ATTACK,), having=1, failing=1, others=1, passing=1)
    words = ("subject", "operator", "check", "symptom", "relation", "found", "minimal", "message", "folder")
    hostile: dict[str, Any] = dict.fromkeys(words, ATTACK)
    failures = [replace(failing.failures[0], picture=shown, when=each, **hostile) for each in (when, None)]
    counts = CheckCounts(operator=ATTACK, check=ATTACK, counts={"passed": 1, ATTACK: 1})
    record = replace(
        failing,
        subject=ATTACK,
        profile=ATTACK,
        reason=ATTACK,
        started_at=ATTACK,
        failures=failures,
        checks=[counts, *failing.checks],
        judged=[JudgedCase(spec=ATTACK, verdict=ATTACK, seconds=99.0), *failing.judged],
        oracles_disagree=[Disagreement(spec=ATTACK, check=ATTACK, message=ATTACK)],
        versions={ATTACK: ATTACK},
    )
    page = opened(record, width=360, bypass_csp=bypass_csp)
    page.get_by_role("button", name="Copy the command that reproduces it").first.click()
    page.get_by_text("Copied: ").wait_for(state="attached")
    page.get_by_role("radio", name="im2col").check()
    page.locator(".heat:visible button").first.click()
    page.get_by_role("radio", name="All").check()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert page.locator("[href^='javascript']").count() == 0
    drawn = page.locator("body").evaluate("body => body.innerText")
    assert drawn.count("<script>window.hacked=1</script>") > 20
    assert "{{7*7}}" in drawn
    assert "49{%" not in drawn
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_policy_of_the_page_lets_no_other_script_run(opened: Opened, passing: RunRecord, browser: Browser) -> None:
    page = browser.new_page()
    smuggled = render(summary_of(passing)).replace(
        "</main>", "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
    )
    page.set_content(smuggled)
    page.wait_for_timeout(100)
    assert page.evaluate("window.hacked") is None
    page.close()
    assert "default-src 'none'" in (opened(passing).locator("meta[content*=src]").get_attribute("content") or "")


def test_a_record_without_operators_still_has_a_page(opened: Opened, passing: RunRecord) -> None:
    nothing: dict[str, Any] = {
        "operators": [],
        "judged": [],
        "checks": [],
        "coverage": [],
        "versions": {},
        "counts": {},
    }
    page = opened(replace(passing, **nothing, verdict="insufficient", reason="the subject has no im2col"))
    assert "The subject has no im2col." in text(page, "header")


# how large it is


def test_a_run_of_ten_thousand_cases_gives_a_small_page(opened: Opened, failing: RunRecord) -> None:
    many = [msgspec.structs.replace(failing.judged[i % len(failing.judged)], seconds=i / 1e5) for i in range(10_000)]
    record = replace(failing, judged=many, cases=10_000)
    page = render(summary_of(record))
    assert len(page.encode()) < MEGABYTE / 2
    loaded = opened(record)
    assert loaded.evaluate("performance.getEntriesByType('navigation')[0].domComplete") < 3000


def test_a_run_that_covers_nothing_gives_a_page_under_two_megabytes(failing: RunRecord) -> None:
    operators = ["conv2d", "avg_pool2d", "max_pool2d", "im2col", "col2im"]
    coverage = coverage_of([], operators)
    counts = [coverage[operator].count(t) for operator in operators for t in STRENGTHS]
    page = render(summary_of(replace(failing, judged=[], operators=operators, coverage=counts)))
    assert len(page.encode()) < 2 * MEGABYTE


def test_the_same_record_gives_the_same_page(passing: RunRecord) -> None:
    assert render(summary_of(passing)) == render(summary_of(passing))


# the gate's own pages


@pytest.fixture(scope="module")
def made_by_the_gate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of a passing and of a failing run; larger runs where pictures of them are wanted."""
    folder = tmp_path_factory.mktemp("gate")
    profile = "pr" if SCREENSHOTS else "smoke"
    for name, subject, code in (("passing", "impl", 0), ("failing", "faulty_subject", 1)):
        asked = ["gate", "--subject", subject, "--profile", profile, "--html", f"{name}.html"]
        command = [sys.executable, "-m", "convgate.cli", *asked]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLES), os.environ.get("PYTHONPATH", "")])}
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == code, ended.stdout + ended.stderr
    return {name: folder / f"{name}.html" for name in ("passing", "failing")}


def test_the_page_of_a_passing_run_of_the_gate_opens(opened: Opened, made_by_the_gate: dict[str, Path]) -> None:
    page = opened(made_by_the_gate["passing"])
    assert "impl conforms" in text(page, "h1")
    assert "feasible pairs of shape classes" in text(page, "header")
    assert page.locator("article.failure").count() == 0
    assert page.locator("details.map").count() == 5
    assert page.locator("details.map button.failing, details.map button.broken").count() == 0


def test_the_page_of_a_failing_run_of_the_gate_opens(opened: Opened, made_by_the_gate: dict[str, Path]) -> None:
    """Both bugs are there, each with its trigger first, and with the wrong entry marked."""
    page = opened(made_by_the_gate["failing"])
    assert "faulty_subject fails" in text(page, "h1")
    headings = page.locator("article.failure h3").all_inner_texts()
    assert any(each.startswith("Fails when output_w > 1 and stride_h != stride_w (") for each in headings)
    assert any(
        "overhang kept on either axis and count_include_pad and no divisor_override" in each for each in headings
    )
    assert page.locator("article.failure .actual .marked").count() == len(headings) == 2


@pytest.mark.skipif(not SCREENSHOTS, reason="CONVGATE_SCREENSHOTS names no folder")
def test_pictures_are_taken(opened: Opened, made_by_the_gate: dict[str, Path]) -> None:
    folder = Path(SCREENSHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in made_by_the_gate.items():
        for kind, width, scheme in (("light", 1200, "light"), ("dark", 1200, "dark"), ("phone", 390, "light")):
            page = opened(file, width=width, color_scheme=scheme)
            page.screenshot(path=folder / f"{name}-{kind}.png")
            page.get_by_role("button", name="stride_w and equal_stride:").first.click()
            page.locator(".board").first.screenshot(path=folder / f"{name}-{kind}-map.png")
    assert {path.stat().st_size < MEGABYTE / 4 for path in folder.glob("*.png")} == {True}
