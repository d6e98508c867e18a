"""What of the shape classes is covered, as rows."""

from dataclasses import dataclass

__all__ = ["STRENGTHS", "Gap", "percent"]


STRENGTHS = (1, 2, 3)


@dataclass(frozen=True)
class Gap:
    """A feasible combination of classes that no judged case has.

    Parameters
    ----------
    conditions : tuple of str
        The classes in words.
    spec : str
        A case that has them.
    """

    conditions: tuple[str, ...]
    spec: str


def percent(covered: int, feasible: int) -> str:
    """A share in percent, rounded down: 100 % is said only of what is complete; of nothing there is no share."""
    if not feasible:
        return "none"
    hundredths = 10_000 * covered // feasible
    return f"{hundredths / 100:.2f}".rstrip("0").rstrip(".") + " %"
