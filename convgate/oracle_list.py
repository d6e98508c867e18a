"""The oracles, in the one place that names them."""

from functools import cache
from types import ModuleType

from oracles import definition, finite_difference, identities, real, vectorized
from oracles.certified import Certified
from oracles.exact import as_integers, exact_dot
from oracles.windows import windows

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
    from oracles import torch_oracle as module  # noqa: PLC0415 - that is the point

    return module
