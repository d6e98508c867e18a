"""How much a gate looks at."""

from dataclasses import dataclass, field
from enum import Enum

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
    shards : dict
        Operator to shards of random cases.
    """

    networks: Extent
    rounds: int = 0
    large_work: Extent = Extent.NONE
    strength: int = 2
    shards: dict[str, int] = field(default_factory=dict)


PROFILES = {
    "smoke": Profile(
        networks=Extent.EACH, shards={"conv2d": 4, "avg_pool2d": 2, "max_pool2d": 2, "im2col": 1, "col2im": 1}
    ),
    "pr": Profile(
        networks=Extent.MOST,
        rounds=1,
        large_work=Extent.MOST,
        strength=3,
        shards={"conv2d": 80, "avg_pool2d": 40, "max_pool2d": 40, "im2col": 12, "col2im": 12},
    ),
    "networks": Profile(networks=Extent.ALL),
    "nightly": Profile(
        networks=Extent.ALL,
        rounds=8,
        large_work=Extent.ALL,
        strength=3,
        shards={"conv2d": 2400, "avg_pool2d": 1200, "max_pool2d": 1200, "im2col": 300, "col2im": 300},
    ),
}
