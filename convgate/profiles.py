"""How much a gate looks at."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["PROFILES", "SHARD", "Extent", "Profile"]

# Cases of one task: large enough that passing it to a worker costs nothing, small enough to spread over many.
SHARD = 25


class Extent(Enum):
    """How many cases of each layer of the networks."""

    EACH = "each layer once; channels, sizes and outputs pairwise over the layers"
    MOST = "each with all channels up to 16 and all sizes, and with more channels pairwise over the layers"
    ALL = "each with all channels, sizes and outputs, and at its full size"


@dataclass(frozen=True)
class Profile:
    """How many cases of which source.

    Numbers of cases, not seconds: the same seed must give the same cases on every machine.

    Parameters
    ----------
    strength : int
        All feasible combinations of so many shape classes are covered.
    shards : dict
        Operator to shards of random cases.
    networks : Extent
        How many cases of each layer.
    """

    strength: int
    shards: dict[str, int]
    networks: Extent


PROFILES = {
    "smoke": Profile(2, {"conv2d": 6, "avg_pool2d": 4, "max_pool2d": 4, "im2col": 2, "col2im": 2}, Extent.EACH),
    "pr": Profile(3, {"conv2d": 120, "avg_pool2d": 75, "max_pool2d": 75, "im2col": 15, "col2im": 15}, Extent.MOST),
    "networks": Profile(2, {}, Extent.ALL),
    "nightly": Profile(
        3, {"conv2d": 2400, "avg_pool2d": 1200, "max_pool2d": 1200, "im2col": 300, "col2im": 300}, Extent.ALL
    ),
}
