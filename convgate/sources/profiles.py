"""How much a gate looks at."""

from dataclasses import dataclass
from enum import Enum
from math import ceil

__all__ = ["PROFILES", "SHARD", "Extent", "Profile"]

# Cases of one task: large enough that passing it to a worker costs nothing, small enough to spread over many.
SHARD = 25


class Extent(Enum):
    """How much a source gives."""

    NONE = "nothing"
    EACH = "each thing that it has once"
    MOST = "what is most telling"
    ALL = "everything"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How many cases of which source.

    Numbers of cases, not seconds: the same seed must give the same cases on every machine.

    Parameters
    ----------
    networks : Extent
        Of the layers of networks.
    rounds : int
        How often all pairs of whole blocks and options, and of large options, are covered; 0 for pairs of fewer
        values, once.
    large_work : Extent
        Of cases past the sizes at which implementations change their algorithm.
    strength : int
        All feasible combinations of so many shape classes are covered.
    random : float
        Shards of random cases for each unit of an operator's weight, rounded up.
    """

    networks: Extent
    rounds: int = 0
    large_work: Extent = Extent.NONE
    strength: int = 2
    random: float = 0.0

    def shards(self, weight: int) -> int:
        """Shards of random cases for an operator of some weight."""
        return ceil(self.random * weight)


PROFILES = {
    "smoke": Profile(networks=Extent.EACH, random=0.2),
    "pr": Profile(
        networks=Extent.MOST,
        rounds=1,
        large_work=Extent.MOST,
        strength=3,
        random=4,
    ),
    "networks": Profile(networks=Extent.ALL),
    "nightly": Profile(
        networks=Extent.ALL,
        rounds=8,
        large_work=Extent.ALL,
        strength=3,
        random=120,
    ),
}
