"""Faults in the backward pass of conv2d."""

from convgate.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

FAULTS = (
    Fault(
        name="conv2d_assigns_overlapping_gradients",
        bug_class=7,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "conv2d_backward",
                "grad_pixels[:, :, rows, columns] += ",
                "grad_pixels[:, :, rows, columns] = ",
            ),
        ),
        spec="conv2d:w3k1x2",
        when=("windows overlap on either axis",),
    ),
)
