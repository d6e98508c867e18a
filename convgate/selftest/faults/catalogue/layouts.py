"""Faults that tell the order in memory from too little: from one stride, from the layout of another array."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

PADDED = "image = padded(x, (ph, pw))"

FAULTS = (
    # 34: the order in memory told from too little
    Fault(
        name="conv2d_reads_weights_from_the_start_of_their_buffer",
        bug_class=34,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                PADDED,
                "if weight.flags.c_contiguous and getattr(weight.base, 'ndim', 0) == 1:\n"
                "        weight = weight.base.ravel()[: weight.size].reshape(weight.shape)\n"
                "    " + PADDED,
            ),
        ),
        spec="conv2d:offset@weight",
        when=("layout offset",),
    ),
    Fault(
        name="conv2d_backward_reads_gradients_from_the_start_of_their_buffer",
        bug_class=34,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "conv2d_backward",
                PADDED,
                "if grad_output.flags.c_contiguous and getattr(grad_output.base, 'ndim', 0) == 1:\n"
                "        grad_output = grad_output.base.ravel()[: grad_output.size].reshape(grad_output.shape)\n"
                "    " + PADDED,
            ),
        ),
        spec="conv2d:offset@grad_output",
        when=("layout offset",),
    ),
    Fault(
        name="im2col_takes_images_whose_channels_follow_one_another_for_dense",
        bug_class=34,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "im2col",
                PADDED,
                "if x.strides[1] == x.itemsize and x.flags.f_contiguous and x.size:\n"
                "        steps = np.array([h * w * c, 1, w * c, c]) * x.itemsize  # channels last\n"
                "        x = np.lib.stride_tricks.as_strided(x, x.shape, tuple(steps))\n"
                "    " + PADDED,
            ),
        ),
        spec="im2col:h2w2:fortran",
        when=("layout fortran", "batch = 1", "input > 1 on both axes"),
    ),
    Fault(
        name="conv2d_takes_filters_whose_channels_follow_one_another_for_dense",
        bug_class=34,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                PADDED,
                "steps = weight.strides\n"
                "    if steps[1] == weight.itemsize and min(steps) > 0 and not weight.flags.f_contiguous:\n"
                "        steps = np.array([kh * kw * cg, 1, kw * cg, cg]) * weight.itemsize  # channels last\n"
                "        weight = np.lib.stride_tricks.as_strided(weight, weight.shape, tuple(steps))\n"
                "    " + PADDED,
            ),
        ),
        spec="conv2d:w2k1x2:channelslice@weight",
        when=("layout channelslice", "out_channels * kernel_h * kernel_w > 1"),
    ),
    Fault(
        name="max_pool2d_takes_rows_without_gaps_for_images_without",
        bug_class=34,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "max_pool2d",
                "    image = padded(",
                "    if x.strides[3] == x.itemsize and min(x.strides) > 0 and x.size:\n"
                "        steps = np.array([c * h * w, h * w, w, 1]) * x.itemsize\n"
                "        x = np.lib.stride_tricks.as_strided(x, x.shape, tuple(steps))\n"
                "    image = padded(",
            ),
        ),
        spec="max_pool2d:h2:window",
        when=("layout window", "batch * channels * input_h > 1"),
    ),
    Fault(
        name="conv2d_backward_has_32_bits_for_the_strides_of_gradients",
        bug_class=34,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "conv2d_backward",
                PADDED,
                "if max(grad_output.strides) >= 2**31:\n"
                '        raise ValueError("a stride does not fit 32 bits")\n'
                "    " + PADDED,
            ),
        ),
        spec="conv2d:oddones@grad_output",
        when=("layout oddones", "(out_channels = 1 or output_w = 1)"),
    ),
    Fault(
        name="avg_pool2d_backward_reads_gradients_from_the_start_of_their_buffer",
        bug_class=34,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "    if divisor_override is not None:",
                "    if grad_output.flags.c_contiguous and getattr(grad_output.base, 'ndim', 0) == 1:\n"
                "        grad_output = grad_output.base.ravel()[: grad_output.size].reshape(grad_output.shape)\n"
                "    if divisor_override is not None:",
            ),
        ),
        spec="avg_pool2d:offset@grad_output",
        when=("layout offset",),
    ),
)
