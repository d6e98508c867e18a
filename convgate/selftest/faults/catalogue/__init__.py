"""The catalogue: all faults by name, in files by the function in which they are planted or by what triggers them."""

from convgate.selftest.faults.catalogue import (
    avg_pool2d,
    blocks,
    columns,
    conv2d,
    conv2d_backward,
    data,
    equalities,
    invalid,
    large,
    layouts,
    max_pool2d,
    networks,
    results,
)

__all__ = ["CATALOGUE"]

CATALOGUE = {
    fault.name: fault
    for module in (
        conv2d,
        conv2d_backward,
        avg_pool2d,
        max_pool2d,
        columns,
        blocks,
        networks,
        large,
        data,
        layouts,
        equalities,
        invalid,
        results,
    )
    for fault in module.FAULTS
}
