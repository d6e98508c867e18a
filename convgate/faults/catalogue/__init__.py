"""The catalogue: all faults by name, a file for each function that they are planted in."""

from convgate.faults.catalogue import avg_pool2d, columns, conv2d, conv2d_backward, max_pool2d

__all__ = ["CATALOGUE"]

CATALOGUE = {
    fault.name: fault
    for module in (conv2d, conv2d_backward, avg_pool2d, max_pool2d, columns)
    for fault in module.FAULTS
}
