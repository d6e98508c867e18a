"""The oracles, in the one place that names them.

They lie at the top of the repository, and inside the package where it is installed without that.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oracles import definition, finite_difference, identities, real, vectorized
    from oracles.certified import Certified
    from oracles.exact import as_integers, exact_dot
    from oracles.windows import windows
else:
    SHIPPED = f"{__package__}._oracles"
    HOME = SHIPPED if find_spec(SHIPPED) is not None else "oracles"
    definition, finite_difference, identities, real, vectorized = (
        import_module(f"{HOME}.{name}")
        for name in ("definition", "finite_difference", "identities", "real", "vectorized")
    )
    Certified = import_module(f"{HOME}.certified").Certified
    as_integers, exact_dot = (getattr(import_module(f"{HOME}.exact"), name) for name in ("as_integers", "exact_dot"))
    windows = import_module(f"{HOME}.windows").windows

__all__ = [
    "Certified",
    "as_integers",
    "definition",
    "exact_dot",
    "finite_difference",
    "identities",
    "real",
    "torch_oracle",
    "vectorized",
    "windows",
]


@cache
def torch_oracle() -> ModuleType:
    """The PyTorch oracle, imported when it is first needed, as PyTorch takes seconds to load."""
    return import_module(f"{definition.__package__}.torch_oracle")
