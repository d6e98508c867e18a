"""Results of the mutants of our own implementation, on a terminal."""

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from convgate.results.coverage import percent
from convgate.selftest.mutation_run import Survey

__all__ = ["show_survey"]


def show_survey(found: Survey, console: Console) -> None:
    """Show the mutants by kind and by the check that finds them, then survivors and errors in the list."""
    table = Table("kind", "mutants", "found", "equivalent", title=f"profile {found.profile}, seed {found.seed}")
    kinds = Counter(each.kind for each in found.mutants.values())
    for kind, number in kinds.most_common():
        names = [each.id for each in found.mutants.values() if each.kind == kind]
        killed, known = (sum(name in group for name in names) for group in (found.found, found.equivalents))
        table.add_row(kind, str(number), str(killed), str(known))
    console.print(table)
    for check, number in Counter(each.check for each in found.found.values()).most_common():
        console.print(f"{number:4d} found first by {check or 'a load error, a crash or a hang'}")
    for mutant in found.survivors:
        where = f"{mutant.module}, line {mutant.line}, {mutant.function or 'at its top'}"
        console.print(Text(f"\nsurvives: {mutant.id} ({where})\n{mutant.diff}", "bold red"), soft_wrap=True)
    for wrong in found.not_equivalent:
        line = f"not equivalent: {wrong.mutant}: {wrong.check} finds it in {wrong.spec}; remove it from equivalent.toml"
        console.print(Text(line, "bold red"), soft_wrap=True)
    for name in found.stale:
        console.print(Text(f"stale: {name} no longer exists; remove it from equivalent.toml", "bold red"))
    total, killed = len(found.mutants), sum(name not in found.equivalents for name in found.found)
    known = sum(name in found.equivalents for name in found.mutants)
    share = percent(killed, total - known)
    line = f"{killed} of {total - known} mutants are found ({share}), not counting {known} equivalent ones"
    console.print(Text(line, "bold green" if found.as_known else "bold red"), soft_wrap=True)
