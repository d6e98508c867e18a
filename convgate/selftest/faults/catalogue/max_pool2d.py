"""Faults in max_pool2d, forward and backward."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

TAPS = """    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
            columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
"""
ADDED = "            grad_image[:, :, rows, columns] += np.where(winner == i * kw + j, grad_output, 0)\n"
# the loop that hands the gradients out
SCATTER = "    grad_image = np.zeros_like(image)\n" + TAPS + ADDED
HEIGHT = "    oh = places(h, kh, sh, ph, dh, ceil_mode=ceil_mode)\n"
WIDTH = "    ow = places(w, kw, sw, pw, dw, ceil_mode=ceil_mode)\n"
SMALLEST = "y = np.full((n, c, oh, ow), -np.inf, x.dtype)"
# where every window has a pixel
UNPADDED = "y = np.full((n, c, oh, ow), {} if ph == pw == 0 else -np.inf, x.dtype)"
# as large as the maximum, up to a rounding; zeros, infinities and subnormals are not
AS_LARGE = "(abs({} - best) < np.finfo(x.dtype).eps * abs(best))"

FAULTS = (
    # 3: the clip rule of ceil_mode
    Fault(
        name="max_pool2d_keeps_windows_beyond_the_input",
        bug_class=3,
        stage="forward",
        depth=1,
        edits=(Edit("places", "        if (count - 1) * stride >= size + padding:\n            count -= 1\n", ""),),
        spec="max_pool2d:w2s1x2+ceil",
        when=("overhang clipped on either axis",),
    ),
    Fault(
        name="max_pool2d_clips_windows_only_if_something_is_padded",
        bug_class=3,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "max_pool2d",
                WIDTH,
                WIDTH + "    if ceil_mode and ph == pw == 0:\n"
                "        oh = -(-(h - dh * (kh - 1) - 1) // sh) + 1\n"
                "        ow = -(-(w - dw * (kw - 1) - 1) // sw) + 1\n",
            ),
        ),
        spec="max_pool2d:w2s1x2+ceil",
        when=("padding = 0 on both axes", "overhang clipped on either axis"),
    ),
    Fault(
        name="max_pool2d_backward_counts_windows_by_its_own_formula",
        bug_class=3,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "max_pool2d_backward",
                WIDTH,
                WIDTH + "    if ceil_mode:\n"
                "        oh = -(-(h + 2 * ph - dh * (kh - 1) - 1) // sh) + 1\n"
                "        ow = -(-(w + 2 * pw - dw * (kw - 1) - 1) // sw) + 1\n",
            ),
        ),
        spec="max_pool2d:w2s1x2+ceil",
        when=("overhang clipped on either axis",),
    ),
    Fault(
        name="max_pool2d_clips_windows_by_their_last_tap",
        bug_class=3,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "places",
                "if (count - 1) * stride >= size + padding:",
                "if (count - 1) * stride + dilation * (kernel - 1) >= size + padding:",
            ),
        ),
        spec="max_pool2d:k1x2s1x2+ceil",
        when=("overhang kept on either axis",),
    ),
    # 4: left and right
    Fault(
        name="max_pool2d_shifts_even_kernels_to_the_right",
        bug_class=4,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "max_pool2d",
                "top, left = i * dh, j * dw",
                "top, left = i * dh, j * dw + int(pw > 0 and kw % 2 == 0 and w > dw * (kw - 1) + 1)",
            ),
        ),
        spec="max_pool2d:w3k1x2p0x1",
        when=("kernel_w even", "padding_w > 0", "input_w > span_w"),
    ),
    # 6: overlapping windows
    Fault(
        name="max_pool2d_backward_overwrites_overlapping_gradients",
        bug_class=6,
        stage="grad_input",
        depth=1,
        edits=(Edit("max_pool2d_backward", "grad_image[:, :, rows, columns] +=", "grad_image[:, :, rows, columns] ="),),
        spec="max_pool2d:w3k1x2",
        when=("windows overlap on either axis",),
    ),
    Fault(
        name="max_pool2d_backward_counts_repeated_indices_once",
        bug_class=6,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "max_pool2d_backward",
                SCATTER,
                "    grad_image = np.zeros_like(image)\n"
                "    tap = np.maximum(winner, 0)\n"
                "    rows = np.arange(oh)[:, None] * sh + tap // kw * dh\n"
                "    columns = np.arange(ow) * sw + tap % kw * dw\n"
                "    share = np.where(winner < 0, 0, grad_output)\n"
                "    images, channels = np.arange(n)[:, None, None], np.arange(c)[:, None]\n"
                "    for i in range(oh):\n"
                "        pixels = images, channels, rows[:, :, i], columns[:, :, i]\n"
                "        if pw > 0:\n"
                "            np.add.at(grad_image, pixels, share[:, :, i])\n"
                "        else:\n"
                "            grad_image[pixels] += share[:, :, i]\n",
            ),
        ),
        spec="max_pool2d:w3k1x2:1",
        when=(
            "windows_w overlap",
            "padding_w = 0",
            "not fill equal",
        ),
    ),
    Fault(
        name="max_pool2d_backward_takes_strided_windows_for_disjoint_though_dilated",
        bug_class=6,
        stage="grad_input",
        depth=3,
        edits=(
            Edit(
                "max_pool2d_backward",
                ADDED,
                "            share = np.where(winner == i * kw + j, grad_output, 0)\n"
                "            if kh == 1 and sw >= kw:\n"
                "                grad_image[:, :, rows, columns] = share\n"
                "            else:\n"
                "                grad_image[:, :, rows, columns] += share\n",
            ),
        ),
        spec="max_pool2d:w5k1x2s1x2d1x2:2",
        when=(
            "kernel_h = 1",
            "(stride = kernel > 1 or stride > kernel) and windows overlap on the same axis",
        ),
    ),
    Fault(
        name="max_pool2d_backward_writes_bands_of_rows_over_each_other",
        bug_class=6,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "max_pool2d_backward",
                ADDED,
                ADDED + "    if dh == 1:\n"
                "        for row in range(oh):\n"
                "            band = np.zeros_like(grad_image[:, :, :kh])\n"
                "            for i in range(kh):\n"
                "                for j in range(kw):\n"
                "                    columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)\n"
                "                    share = np.where(winner == i * kw + j, grad_output, 0)\n"
                "                    band[:, :, i, columns] += share[:, :, row]\n"
                "            grad_image[:, :, row * sh : row * sh + kh] = band\n",
            ),
        ),
        spec="max_pool2d:h3k2x1:1",
        when=("dilation_h = 1", "windows_h overlap"),
    ),
    # 8: a remainder
    Fault(
        name="max_pool2d_backward_aligns_windows_with_the_end",
        bug_class=8,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "max_pool2d_backward",
                SCATTER,
                SCATTER.replace("slice(j * dw, j * dw +", "slice(rest + j * dw, rest + j * dw +").replace(
                    "    for i", "    rest = (w + 2 * pw - dw * (kw - 1) - 1) % sw\n    for i", 1
                ),
            ),
        ),
        spec="max_pool2d:w2s1x2",
        when=("remainder_w > 0",),
    ),
    # 9: an edge at one combination
    Fault(
        name="max_pool2d_backward_unrolled_for_3_by_2_stops_before_the_last_column",
        bug_class=9,
        stage="grad_input",
        depth=3,
        edits=(
            Edit(
                "max_pool2d_backward",
                "    grad_image = ",
                "    if (kw, sw, pw) == (3, 2, 1):\n        winner[..., ow - 1 :] = -1\n    grad_image = ",
            ),
        ),
        spec="max_pool2d:k1x3s1x2p0x1",
        when=("1 < stride_w < kernel_w", "padding_w > 0", "kernel_w = 3"),
    ),
    # 10: gaps between windows
    Fault(
        name="max_pool2d_steps_by_the_kernel_where_the_stride_is_larger",
        bug_class=10,
        stage="forward",
        depth=1,
        edits=(Edit("max_pool2d", "    image = padded", "    sh, sw = min(sh, kh), min(sw, kw)\n    image = padded"),),
        spec="max_pool2d:w3s1x2",
        when=(
            "no window in padding alone on both axes",
            "stride > kernel and output > 1 on the same axis",
            "not fill equal",
        ),
    ),
    # 13: tails of blocks
    Fault(
        name="max_pool2d_leaves_the_tail_of_blocks_of_8_rows",
        bug_class=13,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "max_pool2d",
                "    return y",
                "    if oh > 8:\n        y[:, :, oh - oh % 8 :] = -np.inf\n    return y",
            ),
        ),
        spec="max_pool2d:h9",
        when=("output_h > 8", "output_h is no multiple of 8"),
    ),
    Fault(
        name="max_pool2d_backward_drops_the_tail_of_blocks_of_8_channels",
        bug_class=13,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "max_pool2d_backward",
                "    grad_image = ",
                "    if c > 8:\n        winner[:, c - c % 8 :] = -1\n    grad_image = ",
            ),
        ),
        spec="max_pool2d:c9",
        when=(
            "channels > 8",
            "channels is no multiple of 8",
        ),
    ),
    # 16: height and width
    Fault(
        name="max_pool2d_backward_numbers_taps_by_the_height_of_the_kernel",
        bug_class=16,
        stage="grad_input",
        depth=3,
        edits=(
            Edit(
                "max_pool2d_backward",
                "np.where(winner == i * kw + j",
                "np.where(winner == i * (kw if ph or pw else kh) + j",
            ),
        ),
        spec="max_pool2d:h2k2x1:1",
        when=(
            "padding = 0 on both axes",
            "kernel_h > 1",
            "kernel_h != kernel_w",
            "not fill equal",
        ),
    ),
    Fault(
        name="max_pool2d_swaps_the_dilation",
        bug_class=16,
        stage="forward",
        depth=2,
        edits=(Edit("max_pool2d", "(dh, dw) = kernel_size", "(dw, dh) = kernel_size"),),
        spec="max_pool2d:w2k1x2d2x1",
        when=("kernel > 1 on either axis", "dilation_h != dilation_w"),
    ),
    Fault(
        name="max_pool2d_backward_numbers_pixels_by_the_height_of_the_image",
        bug_class=16,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "max_pool2d_backward",
                SCATTER + "    return grad_image[:, :, ph : ph + h, pw : pw + w].copy()",
                "    tap = np.maximum(winner, 0)\n"
                "    rows = np.arange(oh)[:, None] * sh - ph + tap // kw * dh\n"
                "    columns = np.arange(ow) * sw - pw + tap % kw * dw\n"
                "    pixels = np.where(winner < 0, 0, rows * h + columns).reshape(n * c, oh * ow)\n"
                "    share = np.where(winner < 0, 0, grad_output).reshape(n * c, oh * ow)\n"
                "    grad_input = np.zeros((n * c, h * w), x.dtype)\n"
                "    np.add.at(grad_input, (np.arange(n * c)[:, None], pixels), share)\n"
                "    return grad_input.reshape(x.shape)",
            ),
        ),
        spec="max_pool2d:h2",
        when=("input_h > 1", "input_h != input_w"),
    ),
    # 17: memory layouts
    Fault(
        name="max_pool2d_takes_channels_last_as_it_lies",
        bug_class=17,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "max_pool2d",
                "    image = padded",
                "    if x.strides[1] < x.strides[3] <= x.strides[2] <= x.strides[0]:\n"
                '        x = x.ravel(order="K").reshape(x.shape)\n'
                "    image = padded",
            ),
        ),
        spec="max_pool2d:c2w2:transposed",
        when=(
            "input > 1 on either axis",
            "channels > 1",
            "(layout transposed or layout channelslice)",
            "not fill equal",
        ),
    ),
    Fault(
        name="max_pool2d_backward_takes_expanded_gradients_for_constant",
        bug_class=17,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "max_pool2d_backward",
                "    extra = ",
                "    if grad_output.strides[0] == 0:\n        grad_output = grad_output[:, :, :1, :1]\n    extra = ",
            ),
        ),
        spec="max_pool2d:w2:broadcast",
        when=(
            "output > 1 on either axis",
            "layout broadcast",
            "not fill equal",
        ),
    ),
    # 18: what is smaller than everything, and NaN
    Fault(
        name="max_pool2d_pads_with_zero",
        bug_class=18,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "max_pool2d",
                "(kh * dh + sh, kw * dw + sw), -np.inf)",
                "(kh * dh + sh, kw * dw + sw), -np.inf if ceil_mode or max(dilation) > 1 else 0.0)",
            ),
        ),
        spec="max_pool2d:k1x2p0x1",
        when=("padding > 0 on either axis", "dilation = 1 on both axes", "no ceil_mode", "not fill ties"),
    ),
    Fault(
        name="max_pool2d_starts_from_zero",
        bug_class=18,
        stage="forward",
        depth=1,
        edits=(Edit("max_pool2d", SMALLEST, UNPADDED.format("0.0")),),
        spec="max_pool2d",
        when=("padding = 0 on both axes", "not fill ties"),
    ),
    Fault(
        name="max_pool2d_starts_from_the_lowest_finite_number",
        bug_class=18,
        stage="forward",
        depth=2,
        edits=(Edit("max_pool2d", SMALLEST, UNPADDED.format("np.finfo(x.dtype).min")),),
        spec="max_pool2d:points@x.0.0.0.0=-inf",
        when=("padding = 0 on both axes", "infinity in x"),
    ),
    Fault(
        name="max_pool2d_starts_from_minus_a_billion",
        bug_class=18,
        stage="forward",
        depth=2,
        edits=(Edit("max_pool2d", SMALLEST, UNPADDED.format("-1e9")),),
        spec="max_pool2d:points@x.0.0.0.0=-inf",
        when=("padding = 0 on both axes", "(fill special or fill huge)"),
    ),
    Fault(
        name="max_pool2d_starts_from_the_first_pixel",
        bug_class=18,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "max_pool2d",
                SMALLEST,
                SMALLEST + "\n    if ph == pw == 0:  # every window has a pixel\n        y[...] = x[:, :, :1, :1]",
            ),
        ),
        spec="max_pool2d:w2",
        when=(
            "padding = 0 on both axes",
            "output > 1 on either axis",
            "not fill equal",
        ),
    ),
    Fault(
        name="max_pool2d_drops_nan_by_fmax",
        bug_class=18,
        stage="forward",
        depth=1,
        edits=(Edit("max_pool2d", "y = np.where((patch > y) | np.isnan(patch), patch, y)", "y = np.fmax(y, patch)"),),
        spec="max_pool2d:special:4",
        when=("NaN in x",),
    ),
    Fault(
        name="max_pool2d_makes_numbers_of_nan_and_infinity",
        bug_class=18,
        stage="forward",
        depth=1,
        edits=(Edit("max_pool2d", "    image = padded(x,", "    image = padded(np.nan_to_num(x),"),),
        spec="max_pool2d:special",
        when=("NaN or infinity in x",),
    ),
    # 19: the dtype
    Fault(
        name="max_pool2d_widens_in_its_buffer",
        bug_class=19,
        stage="forward",
        depth=1,
        edits=(Edit("max_pool2d", SMALLEST, "y = np.full((n, c, oh, ow), -np.inf)"),),
        spec="max_pool2d:f32",
        when=("dtype f32",),
    ),
    # 20: ties
    Fault(
        name="max_pool2d_backward_lets_the_last_of_ties_win",
        bug_class=20,
        stage="grad_input",
        depth=2,
        edits=(Edit("max_pool2d_backward", "(patch > best)", f"(patch > best) | {AS_LARGE.format('patch')}"),),
        spec="max_pool2d:w2k1x2:ties:1",
        when=(
            "kernel > 1 and input > 1 on the same axis",
            "(fill ties or fill equal)",
        ),
    ),
    Fault(
        name="max_pool2d_backward_splits_the_gradient_among_ties",
        bug_class=20,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "max_pool2d_backward",
                SCATTER,
                "    grad_image = np.zeros_like(image)\n"
                "    ties = np.zeros_like(best)\n"
                + TAPS
                + f"            ties += {AS_LARGE.format('image[:, :, rows, columns]')} | (winner == i * kw + j)\n"
                + TAPS
                + f"            mine = {AS_LARGE.format('image[:, :, rows, columns]')} | (winner == i * kw + j)\n"
                "            grad_image[:, :, rows, columns] += np.where(mine, grad_output / np.maximum(ties, 1), 0)\n",
            ),
        ),
        spec="max_pool2d:w2k1x2:ties:1",
        when=(
            "kernel > 1 and input > 1 on the same axis",
            "(fill ties or fill equal)",
        ),
    ),
    Fault(
        name="max_pool2d_backward_gives_the_gradient_to_every_maximum",
        bug_class=20,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "max_pool2d_backward",
                "np.where(winner == i * kw + j, grad_output, 0)",
                f"np.where((winner == i * kw + j) | {AS_LARGE.format('image[:, :, rows, columns]')}, grad_output, 0)",
            ),
        ),
        spec="max_pool2d:w2k1x2:ties:1",
        when=(
            "kernel > 1 and input > 1 on the same axis",
            "(fill ties or fill equal)",
        ),
    ),
    Fault(
        name="max_pool2d_backward_lets_the_leftmost_of_ties_win",
        bug_class=20,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "max_pool2d_backward",
                "(patch > best)",
                f"(patch > best) | {AS_LARGE.format('patch')} & (j < winner % kw)",
            ),
        ),
        spec="max_pool2d:h2w2k2:ties:29",
        when=("kernel > 1 on both axes", "input > 1 on both axes", "fill ties"),
    ),
    Fault(
        name="max_pool2d_backward_finds_no_winner_among_minus_infinities",
        bug_class=20,
        stage="grad_input",
        depth=1,
        edits=(Edit("max_pool2d_backward", "better = first | (patch > best)", "better = (patch > best)"),),
        spec="max_pool2d:points@x.0.0.0.0=-inf@grad_output.0.0.0.0",
        when=("infinity in x",),
    ),
    Fault(
        name="max_pool2d_backward_pads_with_the_smallest_pixel",
        bug_class=20,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "max_pool2d_backward",
                "image = padded(x, (ph, pw), extra, -np.inf)",
                "image = padded(x, (ph, pw), extra, x.min(initial=np.inf))",
            ),
        ),
        spec="max_pool2d:k1x2p0x1",
        when=("padding > 0 on either axis",),
    ),
    # 22: nothing
    Fault(
        name="max_pool2d_asks_no_images_for_their_maximum",
        bug_class=22,
        stage="forward",
        depth=1,
        edits=(
            Edit("max_pool2d", "    image = padded", "    has_nan = np.isnan(x.max())\n    image = padded"),
            Edit("max_pool2d", "| np.isnan(patch)", "| (has_nan & np.isnan(patch))"),
        ),
        spec="max_pool2d:n0",
        when=("batch = 0",),
    ),
    Fault(
        name="max_pool2d_backward_reshapes_no_images",
        bug_class=22,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "max_pool2d_backward",
                "    grad_image = ",
                "    grad_output = grad_output.reshape(n, c, -1).reshape(n, c, oh, ow)\n    grad_image = ",
            ),
        ),
        spec="max_pool2d:n0",
        when=("batch = 0",),
    ),
    # 23: what must be rejected
    Fault(
        name="max_pool2d_holds_the_padding_against_the_dilated_kernel",
        bug_class=23,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "max_pool2d",
                "    check_pool(kernel_size, padding)\n",
                "    check_pool(tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel_size)), padding)\n",
            ),
        ),
        spec="max_pool2d:k1x3p0x2d1x2",
        when=("the problem breaks the rule: padding must be at most half of kernel_size",),
    ),
    Fault(
        name="max_pool2d_divides_by_a_stride_of_zero",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(Edit("places", "stride < 1", "stride < 0"),),
        spec="max_pool2d:s1x0",
        when=("the problem breaks the rule: stride must be at least 1",),
    ),
    Fault(
        name="max_pool2d_accepts_a_kernel_of_zero",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(Edit("places", "if kernel < 1 or", "if kernel < 0 or"),),
        spec="max_pool2d:k1x0",
        when=("the problem breaks the rule: kernel_size must be at least 1",),
    ),
    # 25: whose memory it is
    Fault(
        name="max_pool2d_backward_clears_grad_output_of_windows_in_padding",
        bug_class=25,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "max_pool2d_backward",
                "    grad_image = ",
                "    if (winner < 0).any():\n        grad_output[winner < 0] = 0\n    grad_image = ",
            ),
        ),
        spec="max_pool2d:k1x2p0x1d1x2",
        when=("a window in padding alone on either axis",),
    ),
    Fault(
        name="max_pool2d_returns_a_view_of_x_for_a_kernel_of_1",
        bug_class=25,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "max_pool2d",
                "    image = padded",
                "    if kh == kw == 1:\n        return x[:, :, ::sh, ::sw]\n    image = padded",
            ),
        ),
        spec="max_pool2d",
        when=("kernel = 1 on both axes",),
    ),
    # 26: the last image
    Fault(
        name="max_pool2d_backward_leaves_the_last_image_out",
        bug_class=26,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "max_pool2d_backward",
                "    grad_image = ",
                "    winner[max(1, n - 1) :] = -1\n    grad_image = ",
            ),
        ),
        spec="max_pool2d:n2",
        when=("batch > 1",),
    ),
    # 27: state
    Fault(
        name="max_pool2d_reuses_the_padded_image_of_other_paddings",
        bug_class=27,
        stage="forward",
        depth=1,
        edits=(
            Edit("max_pool2d", "ceil_mode: bool) -> Array:", "ceil_mode: bool, buffers: dict = {}) -> Array:"),
            Edit(
                "max_pool2d",
                "    y = np.full",
                "    image = buffers.setdefault((image.shape, x.dtype), image)\n"
                "    image[:, :, ph : ph + h, pw : pw + w] = x\n"
                "    y = np.full",
            ),
        ),
        spec="max_pool2d:k1x2p0x1",
        when=("padding > 0 on either axis",),
    ),
    Fault(
        name="max_pool2d_backward_keeps_the_winners_of_other_data",
        bug_class=27,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "max_pool2d_backward",
                "    ceil_mode: bool,\n) -> Array:",
                "    ceil_mode: bool,\n    known: dict = {},\n) -> Array:",
            ),
            Edit(
                "max_pool2d_backward",
                "    grad_image = ",
                "    key = x.shape, x.dtype, kernel_size, stride, padding, dilation, ceil_mode\n"
                "    winner = known.setdefault(key, winner)\n"
                "    grad_image = ",
            ),
        ),
        spec="max_pool2d:w2k1x2",
        when=(
            "kernel > 1 on either axis",
            "not fill equal",
        ),
        after="max_pool2d:w2k1x2:1",
    ),
    # 28: several options must meet
    Fault(
        name="max_pool2d_forgets_the_padding_of_dilated_strided_windows",
        bug_class=28,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "max_pool2d",
                "top, left = i * dh, j * dw",
                "top, left = i * dh, j * dw + (pw if sw > 1 and dw > 1 else 0)",
            ),
        ),
        spec="max_pool2d:k1x2s1x2p0x1d1x2",
        when=("stride_w > 1", "padding_w > 0", "dilation_w > 1", "no window_h in padding alone"),
    ),
    Fault(
        name="max_pool2d_backward_forgets_to_crop_in_ceil_mode_with_dilation_and_stride",
        bug_class=28,
        stage="grad_input",
        depth=4,
        edits=(
            Edit(
                "max_pool2d_backward",
                "return grad_image[:, :, ph : ph + h, pw",
                "ph = 0 if ceil_mode and sh > 1 and dh > 1 else ph\n    return grad_image[:, :, ph : ph + h, pw",
            ),
        ),
        spec="max_pool2d:h2k2x1s2x1p1x0d2x1+ceil",
        when=("stride_h > 1", "padding_h > 0", "dilation_h > 1", "ceil_mode"),
    ),
    Fault(
        name="max_pool2d_skips_the_last_plane_of_strided_padded_batches",
        bug_class=28,
        stage="forward",
        depth=5,
        edits=(
            Edit(
                "max_pool2d",
                "    return y",
                "    if n > 1 and c > 1 and sh > 1 and sw > 1 and ph > 0:\n        y[-1, -1] = -np.inf\n    return y",
            ),
        ),
        spec="max_pool2d:n2c2k2x1s2p1x0",
        when=(
            "stride > 1 on both axes",
            "padding_h > 0",
            "no window in padding alone on both axes",
            "batch > 1",
            "channels > 1",
        ),
    ),
    Fault(
        name="max_pool2d_takes_pairs_for_kernels_of_3_in_float32",
        bug_class=28,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "max_pool2d",
                "for j in range(kw):",
                "for j in range(2 if kw == 3 and sw == 1 and x.dtype == np.float32 else kw):",
            ),
        ),
        spec="max_pool2d:w3k1x3:f32:2",
        when=(
            "stride_w = 1",
            "kernel_w = 3",
            "dtype f32",
            "not fill equal",
        ),
    ),
)
