"""Faults in what is written for the layers of networks: one kernel size with its stride and its padding."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

PADDED = "image = padded(x, (ph, pw))"
FILTERS = "filters = weight[g * og : (g + 1) * og]"

FAULTS = (
    # 30: layers of networks
    Fault(
        name="conv2d_cuts_odd_rows_of_a_3x3_layer_into_tiles_of_2x2",
        bug_class=30,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "conv2d",
                "    if bias is not None:",
                "    if (kh, kw) == (3, 3) and stride == padding == dilation == (1, 1) and groups == 1:\n"
                "        y[..., ow // 2 * 2 :] = 0  # tiles of 2 x 2, and no half ones\n"
                "    if bias is not None:",
            ),
        ),
        spec="conv2d:k3p1",
        when=(
            "kernel = 3 on both axes",
            "stride = 1 on both axes",
            "padding = 1 on both axes",
            "dilation = 1 on both axes",
            "groups = 1",
            "output_w odd",
        ),
    ),
    Fault(
        name="conv2d_backward_has_no_last_row_below_a_3x3_layer_that_halves_even_images",
        bug_class=30,
        stage="grad_input",
        depth=4,
        edits=(
            Edit(
                "conv2d_backward",
                "grad_bias = None",
                "if (kh, kw) == (3, 3) and stride == (2, 2) and padding == dilation == (1, 1) and h % 2 == 0:\n"
                "        grad_input[:, :, -1] = 0  # the last window ends one row before the padding\n"
                "    grad_bias = None",
            ),
        ),
        spec="conv2d:h2k3s2p1",
        when=(
            "kernel = 3 on both axes",
            "stride = 2 on both axes",
            "padding = 1 on both axes",
            "dilation = 1 on both axes",
            "input_h even",
        ),
    ),
    Fault(
        name="conv2d_reads_a_7x7_layer_with_stride_2_as_8x8",
        bug_class=30,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "conv2d",
                PADDED,
                PADDED + "\n"
                "    if (kh, kw) == (7, 7) and stride == (2, 2) and padding == (3, 3):\n"
                "        image = np.pad(image, ((0, 0), (0, 0), (1, 0), (1, 0)))  # 8 x 8 after a padding of 4\n"
                "        weight = np.pad(weight, ((0, 0), (0, 0), (0, 1), (0, 1)))",
            ),
        ),
        spec="conv2d:k7s2p3",
        when=("kernel = 7 on both axes", "stride = 2 on both axes", "padding = 3 on both axes"),
    ),
    Fault(
        name="conv2d_unrolls_four_columns_of_depthwise_5x5",
        bug_class=30,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "conv2d",
                "for j in range(kw):",
                "for j in range(4 if cg == 1 < groups and (kh, kw) == (5, 5) and padding == (2, 2) else kw):",
            ),
        ),
        spec="conv2d:c2h3w3o2k5p2g2",
        when=(
            "kernel = 5 on both axes",
            "padding = 2 on both axes",
            "groups = channels > 1",
            "input_w + padding_w > 4 * dilation_w",
        ),
    ),
    Fault(
        name="conv2d_leaves_out_the_last_of_seven_columns_in_a_row",
        bug_class=30,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "for j in range(kw):",
                "for j in range(6 if (kh, kw) == (1, 7) else kw):",
            ),
        ),
        spec="conv2d:w7k1x7",
        when=("kernel_h = 1", "kernel_w = 7", "input_w + padding_w > 6 * dilation_w"),
    ),
    Fault(
        name="conv2d_transposes_patches_of_4x4",
        bug_class=30,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "conv2d",
                FILTERS,
                FILTERS + "\n"
                "        if (kh, kw) == stride == (4, 4) and padding == (0, 0):  # no pixel is in two windows\n"
                "            filters = filters.swapaxes(2, 3)",
            ),
        ),
        spec="conv2d:h4w4k4s4",
        when=("kernel = 4 on both axes", "stride = 4 on both axes", "padding = 0 on both axes"),
    ),
    Fault(
        name="conv2d_has_whole_batches_of_dilated_rows_alone",
        bug_class=30,
        stage="forward",
        depth=5,
        edits=(
            Edit(
                "conv2d",
                "    if bias is not None:",
                "    if (kh, kw) == (3, 3) and stride == (1, 1) and padding == dilation and min(dilation) > 1:\n"
                "        y[:, :, oh // dh * dh :] = 0  # every dh-th row is an image of its own\n"
                "    if bias is not None:",
            ),
        ),
        spec="conv2d:k3p2d2",
        when=(
            "kernel = 3 on both axes",
            "stride = 1 on both axes",
            "padding = dilation on both axes",
            "dilation > 1 on both axes",
            "output_h % dilation_h > 0",
        ),
    ),
    Fault(
        name="max_pool2d_takes_odd_rows_for_even_ones_where_it_halves_them",
        bug_class=30,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "max_pool2d",
                "    image = padded(",
                "    halves = kernel_size == stride == (2, 2) and padding == (0, 0) and dilation == (1, 1)\n"
                "    if halves and not ceil_mode:\n"
                "        pixels = x.reshape(n, c, h * w)[..., : 4 * oh * ow]\n"
                "        return pixels.reshape(n, c, oh, 2, ow, 2).max(axis=(3, 5))\n"
                "    image = padded(",
            ),
        ),
        spec="max_pool2d:h2w3k2s2",
        when=(
            "kernel = 2 on both axes",
            "stride = 2 on both axes",
            "padding = 0 on both axes",
            "dilation = 1 on both axes",
            "no ceil_mode",
            "input_w odd",
        ),
    ),
    Fault(
        name="max_pool2d_backward_takes_the_first_row_and_column_of_3x3_windows_for_padding",
        bug_class=30,
        stage="grad_input",
        depth=3,
        edits=(
            Edit(
                "max_pool2d_backward",
                "            grad_image[:, :, rows, columns] +=",
                "            if kernel_size == (3, 3) and stride == (2, 2) and padding == (1, 1) and not (i and j):\n"
                "                continue  # it is padding\n"
                "            grad_image[:, :, rows, columns] +=",
            ),
        ),
        spec="max_pool2d:h4w4k3s2p1",
        when=(
            "kernel = 3 on both axes",
            "stride = 2 on both axes",
            "padding = 1 on both axes",
            "output > 1 on either axis",
        ),
    ),
    Fault(
        name="avg_pool2d_divides_by_all_pixels_where_a_window_is_the_image",
        bug_class=30,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "avg_pool2d",
                "    if divisor_override is not None:",
                "    if divisor_override is not None and kernel_size == (h, w) and padding == (0, 0):\n"
                "        y /= h * w\n"
                "    elif divisor_override is not None:",
            ),
        ),
        spec="avg_pool2d:+divisor2",
        when=("kernel = input on both axes", "padding = 0 on both axes", "divisor_override"),
    ),
    Fault(
        name="conv2d_backward_has_no_seventh_row_of_depthwise_7x7",
        bug_class=30,
        stage="grad_weight",
        depth=3,
        edits=(
            Edit(
                "conv2d_backward",
                "grad_bias = None",
                "if cg == 1 < groups and (kh, kw) == (7, 7) and padding == (3, 3):\n"
                "        grad_weight[:, :, 6] = 0  # six rows are unrolled\n"
                "    grad_bias = None",
            ),
        ),
        spec="conv2d:c2h4o2k7p3g2",
        when=(
            "kernel = 7 on both axes",
            "padding = 3 on both axes",
            "groups = channels > 1",
            "input_h + padding_h > 6 * dilation_h",
        ),
    ),
    Fault(
        name="max_pool2d_keeps_four_rows_of_5x5_windows_that_move_by_one",
        bug_class=30,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "max_pool2d",
                "for i in range(kh):",
                "for i in range(4 if kernel_size == (5, 5) and stride == (1, 1) and padding == (2, 2) else kh):",
            ),
        ),
        spec="max_pool2d:h5k5p2",
        when=(
            "kernel = 5 on both axes",
            "stride = 1 on both axes",
            "padding = 2 on both axes",
            "input_h + padding_h > 4 * dilation_h",
        ),
    ),
    Fault(
        name="avg_pool2d_has_4_6_or_9_pixels_in_3x3_windows_with_a_border",
        bug_class=30,
        stage="forward",
        depth=5,
        edits=(
            Edit(
                "avg_pool2d",
                "        y /= (high",
                "        if kernel_size == (3, 3) and stride == padding == (1, 1) and not count_include_pad:\n"
                "            high, wide = (np.array([2, *[3] * (length - 2), 2][:length]) for length in (oh, ow))\n"
                "        y /= (high",
            ),
        ),
        spec="avg_pool2d:k3p1+nopad",
        when=(
            "kernel = 3 on both axes",
            "stride = 1 on both axes",
            "padding = 1 on both axes",
            "no count_include_pad",
            "no divisor_override",
            "input = 1 on either axis",
        ),
    ),
)
