"""Faults in fast paths for whole blocks: counts that are multiples of a width, jointly or beside a tail."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

PADDED = "image = padded(x, (ph, pw))"
FILTERS = "filters = weight[g * og : (g + 1) * og]"
ADDED = 'y[:, g * og : (g + 1) * og] += np.einsum("nchw,oc->nohw", patch, filters[:, :, i, j])'
GRAD_WEIGHT = 'grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads, pixels[:, :, rows, columns])'
GRAD_BIAS = "grad_bias = None if bias is None else grad_output.sum(axis=(0, 2, 3))"

FAULTS = (
    # 29: whole blocks
    Fault(
        name="conv2d_exchanges_channels_and_outputs_within_blocks_of_8x8",
        bug_class=29,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                FILTERS,
                FILTERS + "\n"
                "        if cg % 8 == 0 and og % 8 == 0:  # in the order in which vectors take them\n"
                "            blocks = filters.reshape(og // 8, 8, cg // 8, 8, kh, kw)\n"
                "            filters = blocks.swapaxes(1, 3).reshape(filters.shape)",
            ),
        ),
        spec="conv2d:c8o8",
        when=("channels_per_group is a multiple of 8", "outputs_per_group is a multiple of 8"),
    ),
    Fault(
        name="conv2d_takes_columns_in_pairs_where_channels_fill_blocks_of_4",
        bug_class=29,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "conv2d",
                "    if bias is not None:",
                "    if cg % 4 == 0 and og % 4 == 0 and ow > 1:  # two columns at a time, so none is left\n"
                "        y[..., ow // 2 * 2 :] = 0\n"
                "    if bias is not None:",
            ),
        ),
        spec="conv2d:c4w3o4",
        when=(
            "channels_per_group is a multiple of 4",
            "outputs_per_group is a multiple of 4",
            "output_w odd",
            "output_w > 1",
        ),
    ),
    Fault(
        name="conv2d_has_no_tail_of_outputs_beside_whole_blocks_of_16_channels",
        bug_class=29,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                ADDED,
                "whole = og // 16 * 16 if cg % 16 == 0 and og > 16 else og\n"
                "                y[:, g * og : g * og + whole] += np.einsum(\n"
                '                    "nchw,oc->nohw", patch, filters[:whole, :, i, j]\n'
                "                )",
            ),
        ),
        spec="conv2d:c16o17",
        when=(
            "channels_per_group is a multiple of 16",
            "outputs_per_group > 16",
            "outputs_per_group is no multiple of 16",
        ),
    ),
    Fault(
        name="conv2d_has_one_depthwise_filter_for_each_whole_block_of_8_groups",
        bug_class=29,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                FILTERS,
                "lane = g // 8 * 8 if cg == og == 1 and groups % 8 == 0 else g\n"
                "        filters = weight[lane * og : (lane + 1) * og]",
            ),
        ),
        spec="conv2d:c8o8g8",
        when=(
            "channels_per_group = 1",
            "outputs_per_group = 1",
            "groups is a multiple of 8",
            "not layout broadcast",
        ),
    ),
    Fault(
        name="conv2d_adds_one_bias_to_each_whole_block_of_4_outputs",
        bug_class=29,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "y += bias[:, None, None]",
                "y += (bias[:, None, None] if o % 4 else np.repeat(bias[::4], 4)[:, None, None])",
            ),
        ),
        spec="conv2d:o4+bias",
        when=("out_channels is a multiple of 4", "bias", "not layout broadcast"),
    ),
    Fault(
        name="conv2d_backward_has_no_tail_of_channels_beside_whole_blocks_of_8_outputs",
        bug_class=29,
        stage="grad_weight",
        depth=2,
        edits=(
            Edit(
                "conv2d_backward",
                "grad_bias = None",
                "if og % 8 == 0 and cg > 8:\n        grad_weight[:, cg // 8 * 8 :] = 0\n    grad_bias = None",
            ),
        ),
        spec="conv2d:c9o8",
        when=(
            "outputs_per_group is a multiple of 8",
            "channels_per_group > 8",
            "channels_per_group is no multiple of 8",
        ),
    ),
    Fault(
        name="conv2d_backward_takes_the_first_filters_for_all_groups_of_whole_blocks_of_4",
        bug_class=29,
        stage="grad_input",
        depth=3,
        edits=(
            Edit(
                "conv2d_backward",
                FILTERS,
                "first = 0 if cg % 4 == 0 and og % 4 == 0 else g * og\n        filters = weight[first : first + og]",
            ),
        ),
        spec="conv2d:c8o8g2",
        when=(
            "groups > 1",
            "channels_per_group is a multiple of 4",
            "outputs_per_group is a multiple of 4",
            "not layout broadcast",
        ),
    ),
    Fault(
        name="conv2d_backward_adds_up_halves_of_whole_blocks_of_4_images",
        bug_class=29,
        stage="grad_bias",
        depth=2,
        edits=(
            Edit(
                "conv2d_backward",
                GRAD_BIAS,
                "whole = grad_output[: n // 2] if n % 4 == 0 else grad_output\n"
                "    grad_bias = None if bias is None else whole.sum(axis=(0, 2, 3))",
            ),
        ),
        spec="conv2d:n4+bias",
        when=("batch is a multiple of 4", "bias"),
    ),
    Fault(
        name="avg_pool2d_backward_assigns_gradients_of_whole_blocks_of_4_channels",
        bug_class=29,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "grad_image[:, :, i : i + (oh - 1) * sh + 1 : sh, j : j + (ow - 1) * sw + 1 : sw] += share",
                "window = grad_image[:, :, i : i + (oh - 1) * sh + 1 : sh, j : j + (ow - 1) * sw + 1 : sw]\n"
                "            window[...] = share if c % 4 == 0 else window + share",
            ),
        ),
        spec="avg_pool2d:c4w3k1x2",
        when=("channels is a multiple of 4", "windows overlap on either axis"),
    ),
    Fault(
        name="avg_pool2d_has_no_last_row_where_planes_fill_blocks_of_16",
        bug_class=29,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "avg_pool2d",
                "    if divisor_override is not None:",
                "    if n * c % 16 == 0 and oh > 1:\n        y[:, :, -1] = 0\n    if divisor_override is not None:",
            ),
        ),
        spec="avg_pool2d:c16h2",
        when=("batch * channels is a multiple of 16", "output_h > 1"),
    ),
    Fault(
        name="max_pool2d_leaves_out_the_last_tap_in_whole_rows_of_8",
        bug_class=29,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "max_pool2d",
                "for j in range(kw):",
                "for j in range(kw - 1 if ow % 8 == 0 and kw > 1 and pw == 0 else kw):",
            ),
        ),
        spec="max_pool2d:w9k1x2",
        when=("output_w is a multiple of 8", "kernel_w > 1", "padding_w = 0"),
    ),
    Fault(
        name="im2col_transposes_whole_blocks_of_4x4_places_and_taps",
        bug_class=29,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "im2col",
                "return columns.reshape(c * kh * kw, oh * ow * n)",
                "found = columns.reshape(c * kh * kw, oh * ow * n)\n"
                "    if found.size and found.shape[0] % 4 == 0 and found.shape[1] % 4 == 0:\n"
                "        blocks = found.reshape(c * kh * kw // 4, 4, oh * ow * n // 4, 4)\n"
                "        found = blocks.swapaxes(1, 3).reshape(found.shape)\n"
                "    return found",
            ),
        ),
        spec="im2col:c4w4",
        when=(
            "channels * kernel_h * kernel_w is a multiple of 4",
            "output_h * output_w * batch is a multiple of 4",
        ),
    ),
    Fault(
        name="conv2d_forgets_the_dilation_of_whole_blocks_of_4_depthwise_filters",
        bug_class=29,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "conv2d",
                "top, left = i * dh, j * dw",
                "top, left = i * dh, j * (1 if cg == og == 1 and groups % 4 == 0 else dw)",
            ),
        ),
        spec="conv2d:c4w3o4k1x2d1x2g4",
        when=(
            "channels_per_group = 1",
            "outputs_per_group = 1",
            "groups is a multiple of 4",
            "kernel_w > 1",
            "dilation_w > 1",
        ),
    ),
    Fault(
        name="col2im_takes_whole_blocks_of_4_images_for_channels",
        bug_class=29,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "col2im",
                "    return image",
                "    if n and n % 4 == 0 and c % 4 == 0:  # a block of 4 x 4 in registers\n"
                "        blocks = image.reshape(n // 4, 4, c // 4, 4, *image.shape[2:])\n"
                "        image = blocks.swapaxes(1, 3).reshape(image.shape)\n"
                "    return image",
            ),
        ),
        spec="col2im:n4c4",
        when=("batch is a multiple of 4", "channels is a multiple of 4"),
    ),
)
