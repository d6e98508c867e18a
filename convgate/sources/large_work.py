"""Cases of much work: past the sizes at which implementations change their algorithm.

Columns are split into blocks at some number of entries, products of matrices take another kernel from some hundred rows
on, a grid of a GPU ends at 65,535 blocks and an index of 16 bits at 2**16. These cases are few, and the same for every
seed. They are judged by the checks that make few calls (`convgate.judging.checks.checks_for`).
"""

from convgate.cases.case import Case
from convgate.cases.spec import parse_spec
from convgate.sources.profiles import Extent

__all__ = ["large_work_cases"]

FEW = (
    # columns of 10**6 entries
    "conv2d:c16h86w86o4k3p1+bias",
    # 256 channels in and out
    "conv2d:c128h7w7o128k3p1+bias:f32",
    # 2**16 images of two pixels
    "conv2d:n65536w2o2k1x2",
    "max_pool2d:n70000h2w2k2s2:f32",
    # 2**16 rows of an image, and of a matrix
    "avg_pool2d:c2h65537w2k2x1:f32",
    "im2col:c8192h3w3k3p1:f32",
)
FURTHER = (
    "conv2d:n70000c2o3s2+bias",
    "conv2d:n2c512h7w7o512k3p1g512:f32",
    "conv2d:c96h16w16o160k3s2p1",
    "conv2d:c2h65537w3o2k3x1p1x0+bias",
    "conv2d:h2w70001o2k2x3s1x2",
    "conv2d:c3h224w224o8k7s2p3",
    "conv2d:c1h1100w1000o1k3p1d2",
    "max_pool2d:n65536w3k1x2p0x1+ceil",
    "max_pool2d:c2h65537w2k2x1:f32",
    "max_pool2d:c8h256w256k3s2p1:f32",
    "max_pool2d:n2c40000k2p1:f32",
    "avg_pool2d:n65536h2w2k2s2:f32",
    "avg_pool2d:n70000w3k1x2p0x1+ceil+nopad",
    "avg_pool2d:c8h256w256k3s2p1+nopad",
    "im2col:c16h86w86k3p1:f32",
    "im2col:n65536w2k1x2:f32",
    "im2col:h300w300k5s1p2:f32",
    "col2im:c16h86w86k3p1",
    "col2im:c8192h3w3k3p1:f32",
    "col2im:n70000w2k1x2:f32",
)


def large_work_cases(operator: str, extent: Extent) -> list[Case]:
    """The cases of an operator: none, a few (six of all operators together), or all.

    Parameters
    ----------
    operator : str
        Name of the operator.
    extent : Extent
        ``NONE``, ``MOST`` for the few, or ``ALL``.
    """
    specs = {Extent.MOST: FEW, Extent.ALL: FEW + FURTHER}.get(extent, ())
    return [case for case in map(parse_spec, specs) if case.problem.operator == operator]
