"""Faults in the forward pass of conv2d."""

from convgate.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

FAULTS = (
    Fault(
        name="conv2d_swaps_stride",
        bug_class=16,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "(sh, sw), (ph, pw), (dh, dw) = stride", "(sw, sh), (ph, pw), (dh, dw) = stride"),),
        spec="conv2d:w2s2x1",
        when=("stride_h != stride_w",),
    ),
    Fault(
        name="conv2d_drops_the_tail_of_blocks_of_8_channels",
        bug_class=13,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                "pixels = image[:, g * cg : (g + 1) * cg]",
                "cg = cg // 8 * 8 if cg > 8 else cg\n        pixels = image[:, g * cg : (g + 1) * cg]",
            ),
            Edit("conv2d", "filters[:, :, i, j]", "filters[:, :cg, i, j]"),
        ),
        spec="conv2d:c9",
        when=("channels_per_group > 8", "channels_per_group is no multiple of 8"),
    ),
)
