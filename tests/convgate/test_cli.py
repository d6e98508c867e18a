"""The command line from end to end: real subjects in processes of their own, real files.

Some runs are processes of their own from the start; the others are called in this one, which only saves time.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from convgate.cases.spec import parse_spec
from convgate.cli import main
from convgate.results.verdicts import VERDICTS

CONVGATE = Path(sys.executable).with_name("convgate")

# The subjects of these tests, in the folder that the command is started in.
SUBJECTS = '''
"""Over the correct functions, one fault each."""
import os
import time
from types import SimpleNamespace

import impl


def subject(**functions):
    return SimpleNamespace(**{"im2col": impl.im2col, "col2im": impl.col2im} | functions)


def forgets_padding(columns, input_shape, kernel_size, **options):
    if FIXED or options["padding"][1] == 0:
        return impl.col2im(columns, input_shape, kernel_size, **options)
    grad = impl.col2im(columns, input_shape, kernel_size, **options)
    grad[..., -1] = 0
    return grad


def refuses(*arguments, **options):
    raise NotImplementedError


def refuses_most(columns, input_shape, kernel_size, **options):
    if kernel_size != (1, 1):
        raise NotImplementedError("only 1x1 so far")
    return impl.col2im(columns, input_shape, kernel_size, **options)


def dies(x, kernel_size, **options):
    if not FIXED and options["dilation"] == (11, 11):
        os.abort()
    return impl.im2col(x, kernel_size, **options)


def hangs(x, kernel_size, **options):
    while options["dilation"] == (11, 11):
        time.sleep(1)
    return impl.im2col(x, kernel_size, **options)


FIXED = False
wrong = subject(col2im=forgets_padding)
refusing = subject(col2im=refuses)
refusing_most = subject(col2im=refuses_most)
picky = subject(col2im=refuses_most, supports=lambda problem: problem.kernel_size == (1, 1))
deadly = subject(im2col=dies)
hanging = subject(im2col=hangs)


class Net:
    wrong = wrong
'''


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Place:
    """A folder to run commands in."""

    folder: Path

    def python(self, *arguments: str) -> Ended:
        """Run Python."""
        return self._run(sys.executable, *arguments)

    def __call__(self, *arguments: str, **environment: str) -> Ended:
        """Run convgate."""
        return self._run(str(CONVGATE), *arguments, **environment)

    def here(self, *arguments: str, **environment: str) -> Ended:
        """Run convgate in this process, which only saves time: subjects run in others."""
        around = {name: None for name in os.environ if name.startswith("GITHUB_")}
        with chdir(self.folder):
            runner = CliRunner(env={**around, "COLUMNS": "200", **environment})
            ended = runner.invoke(main, arguments, prog_name="convgate")
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    def gate(self, *arguments: str, **environment: str) -> Ended:
        """Run the gate on few cases, in one process unless it is said otherwise."""
        jobs = () if "--jobs" in arguments else ("--jobs", "1")
        return self.here("gate", "--profile", "smoke", *jobs, *arguments, **environment)

    def gate_in_a_process(self, *arguments: str, **environment: str) -> Ended:
        """The same as a user does it."""
        return self("gate", "--profile", "smoke", "--jobs", "1", *arguments, **environment)

    def fix(self) -> None:
        """Take the faults out of the subjects."""
        path = self.folder / "mine.py"
        path.write_text(path.read_text().replace("FIXED = False", "FIXED = True"))

    def failures(self) -> list[Path]:
        """The folders of the saved failures."""
        return sorted((self.folder / "reports" / "failures").iterdir())

    def _run(self, *command: str, **environment: str) -> Ended:
        around = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
        around |= {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
        ended = subprocess.run(
            command, cwd=self.folder, env=around | environment, capture_output=True, text=True, check=False, timeout=500
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)


def new_place(folder: Path) -> Place:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.py").write_text(SUBJECTS)
    return Place(folder)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def record_of(place: Place, name: str = "run.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place.folder / name).read_text())
    return found


@dataclass(frozen=True)
class Run:
    """One run of the gate with its record, for several tests to look at."""

    place: Place
    ended: Ended
    record: dict[str, Any]


Gate = Callable[..., Run]

FILES = {
    "json": "run.json",
    "html": "run.html",
    "junit": "junit.xml",
    "markdown": "summary.md",
    "observations": "observed.jsonl",
}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """Runs of the gate, each made once, with a file in every format."""
    made: dict[tuple[tuple[str, ...], str], Run] = {}
    files = [part for name, file in FILES.items() for part in (f"--{name}", file)]

    def run(*arguments: str, corpus: str = "", **environment: str) -> Run:
        key = (arguments, corpus)
        if key not in made:
            place = new_place(tmp_path_factory.mktemp("run"))
            if corpus:
                (place.folder / "reports").mkdir()
                (place.folder / "reports" / "corpus.txt").write_text(corpus)
            ended = place.gate_in_a_process(*files, *arguments, **environment)
            made[key] = Run(place, ended, record_of(place))
        return made[key]

    return run


CONFORMING = ("--operators", "col2im")
FAILING = ("--operators", "col2im", "--subject", "mine:wrong")
CORPUS = "# broken once\n\ncol2im:w3p0x70 # with wide padding\nim2col:w3p0x70\n"


def test_a_correct_subject_conforms(gate: Gate) -> None:
    run = gate(*CONFORMING)
    assert run.ended.code == 0
    assert "impl conforms: " in run.ended.out
    assert run.record["verdict"] == "conforms"
    assert not (run.place.folder / "reports").exists()


@pytest.mark.parametrize("arguments", [CONFORMING, FAILING], ids=["conforming", "failing"])
def test_nothing_but_the_result_is_printed_where_there_is_no_terminal(gate: Gate, arguments: tuple[str, ...]) -> None:
    ended = gate(*arguments).ended
    assert ended.err == ""
    assert "\r" not in ended.out
    assert "\x1b" not in ended.out


def test_counts_coverage_the_verdict_and_what_to_do_next_are_printed(gate: Gate) -> None:
    run = gate(*CONFORMING)
    lines = run.ended.out.splitlines()
    assert lines[0].split() == ["operator", "cases", "passed", "failed", "vacuous", "layers"]
    assert lines[1].split()[:2] == ["col2im", str(run.record["cases"])]
    assert lines[3].split() == ["shape", "classes", "covered", "1-way", "2-way", "3-way"]
    two_way = next(way for way in run.record["coverage"] if way["t"] == 2)
    assert lines[4].split()[4:7] == [f"{two_way['covered']:,}/{two_way['feasible']:,}", "100", "%"]
    assert len(lines) == 7
    assert "Look closer with --profile pr, or elsewhere with --seed 1." in lines[-1]


def test_a_wrong_subject_fails_with_one_small_failure(gate: Gate) -> None:
    run = gate(*FAILING)
    assert run.ended.code == 1
    assert "mine:wrong fails: " in run.ended.out
    assert run.record["verdict"] == "fails"
    (failure,) = run.record["failures"]
    assert (failure["operator"], failure["check"], failure["symptom"]) == ("col2im", "forward", "wrong value")
    problem = parse_spec(failure["minimal"]).problem
    assert problem.padding[1] == 1
    assert (problem.batch, problem.channels, problem.stride, problem.padding[0]) == (1, 1, (1, 1), 0)
    assert failure["message"] in run.ended.out
    assert f"convgate replay {failure['folder']}" in run.ended.out
    assert f"Look at {failure['folder']}/README.md next." in run.ended.out


def test_a_failure_is_saved_where_the_record_says(gate: Gate) -> None:
    run = gate(*FAILING)
    (failure,) = run.record["failures"]
    (folder,) = run.place.failures()
    assert run.place.folder / failure["folder"] == folder
    assert folder.name == f"col2im-wrong-value-{failure['fingerprint']}"
    saved = json.loads((folder / "failure.json").read_text())
    shared = failure.keys() & saved.keys()
    assert len(shared) == len(failure) - 1
    assert {name: saved[name] for name in shared} == {name: failure[name] for name in shared}
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "failure.json", "repro.py"]
    assert failure["message"] in (folder / "README.md").read_text()


def test_a_record_has_the_promised_fields(gate: Gate) -> None:
    record = gate(*FAILING).record
    assert list(record) == [
        "format_version",
        "subject",
        "operators",
        "profile",
        "seed",
        "verdict",
        "reason",
        "cases",
        "started_at",
        "seconds",
        "counts",
        "checks",
        "failures",
        "coverage",
        "judged",
        "oracles_disagree",
        "versions",
        "caveats",
        "max_unsupported",
    ]
    assert (record["format_version"], record["subject"], record["operators"]) == (2, "mine:wrong", ["col2im"])
    assert (record["profile"], record["seed"], record["oracles_disagree"]) == ("smoke", 0, [])
    assert record["cases"] == len(record["judged"]) > 50
    assert record["seconds"] > 0
    assert tuple(record["counts"]) == VERDICTS
    assert all(list(row) == ["operator", "check", "counts"] for row in record["checks"])
    assert list(record["failures"][0]) == [
        "format_version",
        "fingerprint",
        "subject",
        "operator",
        "check",
        "symptom",
        "relation",
        "found",
        "minimal",
        "message",
        "expected",
        "actual",
        "found_at",
        "cases",
        "when",
        "picture",
        "carried",
        "after",
        "folder",
    ]
    always = ["spec", "verdict", "seconds"]
    assert all(list(each)[:3] == always and set(each) <= {*always, "layer"} for each in record["judged"])
    assert any("layer" in each for each in record["judged"])
    assert set(record["versions"]) == {"python", "convgate", "hypothesis", "numpy", "torch"}


def test_a_record_s_counts_add_up(gate: Gate) -> None:
    for arguments in (CONFORMING, FAILING):
        record = gate(*arguments).record
        for verdict in VERDICTS:
            assert record["counts"][verdict] == sum(row["counts"][verdict] for row in record["checks"])
        assert (record["counts"]["failed"] > 0) == (record["verdict"] == "fails")


def test_a_record_is_written_in_any_format_afterwards_as_by_the_gate(gate: Gate, tmp_path: Path) -> None:
    place = copy_of(gate(*FAILING), tmp_path)
    again = [part for name, file in FILES.items() for part in (f"--{name}", f"by_report/{file}")]
    ended = place("report", "run.json", *again)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [f"wrote by_report/{file}" for file in FILES.values()]
    for file in FILES.values():
        text = (place.folder / file).read_text()
        assert text == (place.folder / "by_report" / file).read_text()
        assert "col2im" in text


@pytest.mark.parametrize("arguments", [CONFORMING, FAILING], ids=["conforming", "failing"])
def test_a_report_shows_a_run_as_the_gate_did(gate: Gate, arguments: tuple[str, ...]) -> None:
    run = gate(*arguments)
    ended = run.place.here("report", "run.json")
    assert (ended.code, ended.out, ended.err) == (0, run.ended.out, "")


def test_a_report_of_what_is_no_record_ends_with_2(place: Place) -> None:
    (place.folder / "other.json").write_text('{"format_version": 1}')
    (place.folder / "broken.json").write_text("{")
    for name, words in (
        ("absent.json", "absent.json cannot be read"),
        ("other.json", "other.json has format version 1; this convgate reads 2"),
        ("broken.json", "broken.json is no run record"),
    ):
        ended = place.here("report", name)
        assert (ended.code, ended.out) == (2, "")
        assert words in ended.err


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_written_is_told_before_anything_is_judged(place: Place, name: str) -> None:
    ended = place.here("gate", *FAILING, f"--{name}", "mine.py/under_a_file")
    assert (ended.code, ended.out) == (2, "")
    assert "mine.py/under_a_file cannot be written; choose another file" in ended.err
    assert not (place.folder / "reports").exists()


def test_a_report_that_cannot_be_written_ends_with_2(gate: Gate) -> None:
    ended = gate(*CONFORMING).place.here("report", "run.json", "--junit", "run.json/under_a_file")
    assert (ended.code, ended.out) == (2, "")
    assert "run.json/under_a_file cannot be written" in ended.err


def test_a_case_that_cannot_be_read_is_told_and_no_file_is_left(gate: Gate, tmp_path: Path) -> None:
    place = copy_of(gate(*CONFORMING), tmp_path)
    record = record_of(place)
    record["judged"][0]["spec"] = "col2im:q9"
    (place.folder / "run.json").write_text(json.dumps(record))
    ended = place.here("report", "run.json", "--observations", "anew.jsonl")
    assert ended.code == 2
    assert "q9 in 'col2im:q9'" in ended.err
    assert not (place.folder / "anew.jsonl").exists()


def test_the_schema_is_printed(place: Place) -> None:
    ended = place.here("report", "--schema")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["$id"] == "urn:convgate:run-record:2"


@pytest.fixture(scope="module")
def by_two(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """The failing run by two processes and under GitHub Actions, which leave the record as it is; and the summary."""
    summary = tmp_path_factory.mktemp("step") / "step.md"
    summary.write_text("# What another command wrote\n")
    return gate(*FAILING, "--jobs", "2", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary)), summary


def test_under_github_actions_the_run_is_annotated_and_the_summary_of_the_step_added_to(
    by_two: tuple[Run, Path],
) -> None:
    run, summary = by_two
    ended = run.ended
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0].startswith("::error title=col2im forward%2C wrong value::")
    # what is printed in between is not read for commands
    assert lines[1].startswith("::stop-commands::")
    assert lines[-1] == lines[1].replace("stop-commands::", "") + "::"
    assert "mine:wrong fails: " in lines[-2]
    before, _, after = summary.read_text().partition("\n")
    assert before == "# What another command wrote"
    assert "## convgate: `mine:wrong` fails\n" in after


def test_a_summary_that_cannot_be_written_does_not_change_the_verdict(gate: Gate) -> None:
    ended = gate(*CONFORMING, corpus=CORPUS, GITHUB_STEP_SUMMARY="mine.py/summary.md").ended
    assert ended.code == 0
    assert "the summary of the step could not be written" in ended.err


def untimed(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what differs from one time to the next."""
    same = {name: value for name, value in record.items() if name not in {"seconds", "started_at"}}
    same["judged"] = [(each["spec"], each["verdict"]) for each in record["judged"]]
    same["failures"] = [{**each, "found_at": ""} for each in record["failures"]]
    return same


def test_the_number_of_processes_changes_nothing_but_the_time(gate: Gate, by_two: tuple[Run, Path]) -> None:
    one, two = gate(*FAILING), by_two[0]
    assert untimed(one.record) == untimed(two.record)
    assert one.ended.code == two.ended.code
    scripts = [(run.place.failures()[0] / "repro.py").read_text() for run in (one, two)]
    assert scripts[0] == scripts[1]


def test_another_seed_judges_other_cases(gate: Gate) -> None:
    one, other = gate(*CONFORMING), gate(*CONFORMING, "--seed", "1")
    assert other.record["seed"] == 1
    assert one.record["counts"] != other.record["counts"]
    assert other.ended.code == 0


def copy_of(run: Run, folder: Path) -> Place:
    """The folder of a run after its end, to be changed."""
    return Place(shutil.copytree(run.place.folder, folder / "copy"))


def test_a_run_finds_a_failure_again_in_the_same_folder(gate: Gate, tmp_path: Path) -> None:
    place = copy_of(gate(*FAILING), tmp_path)
    before = place.failures()
    assert place.gate(*FAILING).code == 1
    assert place.failures() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gate", "--subject", "no_such_module"], "subject 'no_such_module' could not be loaded"),
        (["gate", "--subject", "mine:absent"], "subject 'mine:absent' could not be loaded"),
        (["gate", "--subject", "json"], "subject 'json' has none of the functions of the protocol"),
        (["gate", "--subject", "raises_on_import"], "RuntimeError: no licence"),
        (["gate", "--operators", "conv3d"], "'conv3d' is not one of conv2d, avg_pool2d"),
        (["gate", "--operators", "conv2d,nothing"], "'nothing' is not one of"),
        (["gate", "--profile", "huge"], "'huge' is not one of"),
        (["gate", "--jobs", "0"], "'0' is neither a number from 1 nor 'auto'"),
        (["gate", "--jobs", "-1"], "'-1' is neither a number from 1 nor 'auto'"),
        (["gate", "--jobs", "many"], "'many' is neither a number from 1 nor 'auto'"),
        (["gate", "--seed", "-1"], "-1 is not in the range"),
        (["gate", "--reports", "mine.py"], "is a file"),
        (["gate", "something"], "something"),
        (["bake"], "bake"),
        (["replay"], "SPEC|FOLDER|all"),
        (["replay", "conv3d:k2"], "operator 'conv3d' in 'conv3d:k2' is not one of"),
        (["replay", "im2col:q2"], "q2 in 'im2col:q2'"),
        (["replay", "mine.py"], "operator 'mine.py' in 'mine.py' is not one of"),
        (["replay", "empty"], "empty is no failure's folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_told_and_ends_with_2(place: Place, arguments: list[str], words: str) -> None:
    (place.folder / "empty").mkdir()
    (place.folder / "raises_on_import.py").write_text("raise RuntimeError('no licence')\n")
    ended = place(*arguments) if "--subject" in arguments else place.here(*arguments)
    assert ended.code == 2
    assert words in " ".join(ended.err.split())
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_a_subject_that_refuses_everything_is_not_verified(place: Place) -> None:
    ended = place.gate("--subject", "mine:refusing", "--operators", "col2im", "--json", "run.json")
    assert ended.code == 3
    record = record_of(place)
    assert record["verdict"] == "insufficient"
    assert record["reason"].startswith("col2im: NotImplementedError on ")
    assert record["counts"]["passed"] == record["counts"]["failed"] == 0
    assert "mine:refusing insufficient: " in ended.out
    assert "supports(problem)" in ended.out


def test_a_subject_that_refuses_most_is_not_verified(place: Place) -> None:
    ended = place.gate("--subject", "mine:refusing_most", "--operators", "col2im", "--json", "run.json")
    assert ended.code == 3
    assert 0 < record_of(place)["counts"]["passed"] < record_of(place)["counts"]["unsupported"]


def test_a_subject_is_asked_only_about_what_it_supports(place: Place) -> None:
    ended = place.gate("--subject", "mine:picky", "--operators", "col2im", "--json", "run.json")
    assert ended.code == 0
    record = record_of(place)
    assert record["counts"]["unsupported"] == 0
    assert 0 < record["cases"] < 350  # others are asked more than 600


def test_an_operator_asked_for_that_the_subject_lacks_is_insufficient(place: Place) -> None:
    ended = place.gate("--subject", "mine:refusing", "--operators", "conv2d", "--json", "run.json")
    assert ended.code == 3
    assert record_of(place)["reason"] == "the subject has no conv2d"
    assert record_of(place)["operators"] == []


def test_a_spec_is_judged_again(place: Place) -> None:
    ended = place("replay", "col2im:k1x2p0x1")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("passes  col2im:k1x2p0x1 (impl): ")


def test_a_spec_that_fails_shows_expected_and_actual_side_by_side(place: Place) -> None:
    spec = "col2im:k1x2p0x1:points@columns.0.1=4@columns.1.0=3"
    ended = place("replay", spec, "--subject", "mine:Net.wrong")
    assert ended.code == 1
    assert ended.out.startswith(f"still failing  {spec} (mine:Net.wrong): ")
    titles = next(line for line in ended.out.splitlines() if "expected y" in line)
    assert "actual y" in titles
    rows = ended.out.splitlines()
    below = rows[rows.index(titles) + 1]
    assert below.split() == ["[7]", "[0]"]


def test_a_spec_that_the_subject_refuses_cannot_be_told(place: Place) -> None:
    ended = place("replay", "col2im:k2h3w3", "--subject", "mine:refusing")
    assert ended.code == 2
    assert ended.out.startswith("error  col2im:k2h3w3 (mine:refusing): cannot be told")


def test_an_invalid_spec_that_is_rejected_passes(place: Place) -> None:
    ended = place("replay", "col2im:k9")
    assert (ended.code, ended.out) == (0, "passes  col2im:k9 (impl): 1 of 1 checks passed with something to see\n")


def test_a_failure_is_listed_replayed_and_seen_to_be_fixed(gate: Gate, tmp_path: Path) -> None:
    place = copy_of(gate(*FAILING), tmp_path)
    (folder,) = place.failures()
    where = folder.relative_to(place.folder).as_posix()

    listed = place.here("failures")
    assert listed.code == 0
    assert f"mine:wrong  forward, wrong value  convgate replay {where}" in listed.out
    assert "1 saved. See which are fixed with: convgate replay all" in listed.out

    for what in (where, "all"):
        failing = place("replay", what)
        assert failing.code == 1
        assert failing.out.startswith(f"still failing  {folder.name} (mine:wrong): ")
        assert "expected y" in failing.out
        assert "actual y" in failing.out
    assert place.python(f"{where}/repro.py").code == 1

    elsewhere = place("replay", where, "--subject", "impl")
    assert (elsewhere.code, elsewhere.out.partition(":")[0]) == (0, f"fixed  {folder.name} (impl)")

    place.fix()
    fixed = place("replay", "all")
    assert fixed.code == 0
    assert fixed.out.startswith(f"fixed  {folder.name} (mine:wrong): ")
    repeated = place.python(f"{where}/repro.py")
    assert (repeated.code, repeated.out) == (0, "passes: this failure is gone\n")


def test_a_saved_failure_whose_subject_is_gone_cannot_be_told(gate: Gate, tmp_path: Path) -> None:
    (folder,) = gate(*FAILING).place.failures()
    ended = Place(tmp_path)("replay", str(folder))
    assert ended.code == 2
    assert ended.out.startswith("error")
    assert "subject 'mine:wrong' could not be loaded" in ended.out


@pytest.mark.parametrize("command", [["failures"], ["replay", "all"]], ids=" ".join)
def test_without_failures_that_is_said(tmp_path: Path, command: list[str]) -> None:
    ended = Place(tmp_path).here(*command)
    assert ended == Ended(0, "No failures are saved in reports. Run convgate gate to look for some.\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["failures"], ["replay", "all"]], ids=" ".join)
def test_a_failure_that_cannot_be_read_is_named(tmp_path: Path, command: list[str]) -> None:
    broken = tmp_path / "reports" / "failures" / "col2im-wrong-value-00000000"
    broken.mkdir(parents=True)
    (broken / "failure.json").write_text("{")
    ended = Place(tmp_path).here(*command)
    assert ended.code == 2
    assert "col2im-wrong-value-00000000/failure.json cannot be read" in ended.err


def test_reports_go_where_they_are_asked_for(place: Place) -> None:
    assert place.gate(*FAILING, "--reports", "else/where").code == 1
    assert not (place.folder / "reports").exists()
    assert len(list((place.folder / "else" / "where" / "failures").iterdir())) == 1
    assert "1 saved" in place.here("failures", "--reports", "else/where").out


def test_the_corpus_is_judged_too(gate: Gate) -> None:
    """A case that random cases would not have found: a padding of 0 x 70."""
    run = gate(*CONFORMING, corpus=CORPUS, GITHUB_STEP_SUMMARY="mine.py/summary.md")
    assert run.ended.code == 0
    assert run.record["cases"] == gate(*CONFORMING).record["cases"] + 1


def test_a_failure_of_the_corpus_fails_the_run(place: Place) -> None:
    source = (place.folder / "mine.py").read_text()
    rare = 'options["padding"][1] < 70'
    (place.folder / "mine.py").write_text(source.replace('options["padding"][1] == 0', rare))
    assert place.gate(*FAILING).code == 0
    (place.folder / "reports").mkdir()
    (place.folder / "reports" / "corpus.txt").write_text("col2im:w3p0x70\n")
    ended = place.gate(*FAILING, "--json", "run.json")
    assert ended.code == 1
    (failure,) = record_of(place)["failures"]
    assert failure["found"] == "col2im:w3p0x70"
    assert failure["minimal"].startswith("col2im:p0x70")


def test_a_line_of_the_corpus_that_cannot_be_read_is_named(place: Place) -> None:
    (place.folder / "reports").mkdir()
    (place.folder / "reports" / "corpus.txt").write_text("# first\nconv2d:k3k3\n")
    ended = place.here("gate")
    assert ended.code == 2
    assert "reports/corpus.txt, line 2: 'k3k3' in 'conv2d:k3k3' gives a size or a flag twice" in ended.err
    assert ended.out == ""


def test_a_subject_that_dies_fails_and_the_run_comes_to_its_end(place: Place) -> None:
    (place.folder / "reports").mkdir()
    (place.folder / "reports" / "corpus.txt").write_text("im2col\nim2col:n2d11\n")
    ended = place.gate("--subject", "mine:deadly", "--json", "run.json", "--operators", "im2col")
    assert (ended.code, ended.err) == (1, "")
    record = record_of(place)
    bad = {verdict: record["counts"][verdict] for verdict in ("failed", "crashed", "timed_out")}
    assert bad == {"failed": 0, "crashed": 1, "timed_out": 0}
    assert record["cases"] > 40
    assert all(each["seconds"] > 0 for each in record["judged"])
    (failure,) = record["failures"]
    assert (failure["symptom"], failure["minimal"]) == ("crashed", "im2col:d11")
    assert "signal 6" in failure["message"]
    folder = place.folder / failure["folder"]
    assert folder.name.startswith("im2col-crashed-")
    assert place.python(f"{failure['folder']}/repro.py").code == 1
    replayed = place("replay", failure["folder"])
    assert replayed.code == 1
    assert "still failing" in replayed.out
    place.fix()
    assert place.python(f"{failure['folder']}/repro.py").code == 0


def test_a_subject_that_hangs_fails_and_the_run_comes_to_its_end(place: Place) -> None:
    """Half a minute, most of it waiting: one test, so that it is waited for once."""
    (place.folder / "reports").mkdir()
    (place.folder / "reports" / "corpus.txt").write_text("im2col:d11\n")
    ended = place.gate("--subject", "mine:hanging", "--operators", "im2col", "--json", "run.json")
    assert (ended.code, ended.err) == (1, "")
    record = record_of(place)
    bad = {verdict: record["counts"][verdict] for verdict in ("failed", "crashed", "timed_out")}
    assert bad == {"failed": 0, "crashed": 0, "timed_out": 1}
    assert [each["seconds"] >= 5 for each in record["judged"] if each["verdict"] == "timed_out"] == [True]
    assert record["counts"]["passed"] > 50
    (failure,) = record["failures"]
    assert (failure["symptom"], failure["minimal"]) == ("timed out", "im2col:d11")
    assert f"im2col-timed-out-{failure['fingerprint']}" in ended.out
    script = (place.folder / failure["folder"] / "repro.py").read_text()
    assert "timeout=10" in script


def test_help_and_version_are_there(place: Place) -> None:
    for arguments in (["--help"], ["gate", "-h"], ["replay", "--help"], ["report", "--help"], ["failures", "--help"]):
        ended = place.here(*arguments)
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith("Usage: convgate")
    assert "0.1.0" in place("--version").out
