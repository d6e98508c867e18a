"""Faults in im2col and col2im."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

ADDED = """            patch = entries[:, i, j].transpose(3, 0, 1, 2)
            image[:, :, top : top + (oh - 1) * sh + 1 : sh, left : left + (ow - 1) * sw + 1 : sw] += patch
"""

FAULTS = (
    # 4: left and right
    Fault(
        name="im2col_shifts_even_kernels_to_the_right",
        bug_class=4,
        stage="forward",
        depth=2,
        edits=(
            Edit("im2col", "image = padded(x, (ph, pw))", "image = padded(x, (ph, pw), (0, 1))"),
            Edit(
                "im2col",
                "top, left = i * dh, j * dw",
                "top, left = i * dh, j * dw + int(pw > 0 and kw % 2 == 0)",
            ),
        ),
        spec="im2col:k1x2p0x1",
        when=("kernel_w even", "padding_w > 0"),
    ),
    # 7: assigned, not added
    Fault(
        name="col2im_assigns_overlapping_windows",
        bug_class=7,
        stage="forward",
        depth=1,
        edits=(Edit("col2im", "+= patch", "= patch"),),
        spec="col2im:w3k1x2",
        when=("windows overlap on either axis",),
    ),
    Fault(
        name="col2im_adds_columns_but_assigns_rows",
        bug_class=7,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "col2im",
                "    for i in range(kh):\n        for j in range(kw):\n            top, left = i * dh, j * dw\n"
                + ADDED,
                "    for i in range(kh):\n"
                "        rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)\n"
                "        band = np.zeros_like(image[:, :, rows])\n"
                "        for j in range(kw):\n"
                "            columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)\n"
                "            band[..., columns] += entries[:, i, j].transpose(3, 0, 1, 2)\n"
                "        image[:, :, rows] = band\n",
            ),
        ),
        spec="col2im:h3k2x1",
        when=("windows_h overlap",),
    ),
    # 8: a remainder
    Fault(
        name="col2im_aligns_windows_with_the_bottom",
        bug_class=8,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "col2im",
                "top, left = i * dh, j * dw",
                "top, left = i * dh + (h + 2 * ph - dh * (kh - 1) - 1) % sh, j * dw",
            ),
        ),
        spec="col2im:h2s2x1",
        when=("remainder_h > 0",),
    ),
    # 10: gaps between windows
    Fault(
        name="col2im_fills_the_gaps_between_windows_of_1",
        bug_class=10,
        stage="forward",
        depth=3,
        edits=(
            Edit("col2im", "w + 2 * pw), columns.dtype)", "w + 2 * pw + sw), columns.dtype)"),
            Edit("col2im", "for j in range(kw):", "for j in range(sw if kw == 1 and pw == 0 else kw):"),
            Edit("col2im", "entries[:, i, j]", "entries[:, i, min(j, kw - 1)]"),
            Edit("col2im", "i * dh, j * dw", "i * dh, j * (dw if kw > 1 else 1)"),
        ),
        spec="col2im:w2s1x2",
        when=("kernel_w = 1", "stride_w > kernel_w", "padding_w = 0", "input_w > span_w"),
    ),
    Fault(
        name="im2col_never_ends_where_the_stride_is_larger_than_the_kernel",
        bug_class=10,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "im2col",
                "    image = padded",
                "    covered = 0\n"
                "    while covered < ow:  # windows that share pixels are taken together\n"
                "        covered += kw // sw if sw > kw else ow\n"
                "    image = padded",
            ),
        ),
        spec="im2col:s1x2",
        when=("stride_w > kernel_w",),
        dies=True,
    ),
    # 13: tails of blocks
    Fault(
        name="im2col_leaves_the_tail_of_blocks_of_16_columns",
        bug_class=13,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "im2col",
                "    return columns",
                "    if ow > 16 and ow % 16:\n        columns[..., ow // 16 * 16 :, :] = 0\n    return columns",
            ),
        ),
        spec="im2col:w17",
        when=("output_w > 16", "output_w is no multiple of 16"),
    ),
    # 15: dilation in the output size only
    Fault(
        name="im2col_dilates_the_output_size_only",
        bug_class=15,
        stage="forward",
        depth=2,
        edits=(Edit("im2col", "top, left = i * dh, j * dw", "top, left = i, j"),),
        spec="im2col:w3k1x2d1x2",
        when=("kernel > 1 and dilation > 1 on the same axis",),
    ),
    Fault(
        name="col2im_forgets_the_dilation_of_strided_windows",
        bug_class=15,
        stage="forward",
        depth=3,
        edits=(Edit("col2im", "top, left = i * dh, j * dw", "top, left = i * dh, j * dw if sw == 1 else j"),),
        spec="col2im:w3k1x2s1x2d1x2",
        when=("kernel_w > 1", "stride_w > 1", "dilation_w > 1"),
    ),
    Fault(
        name="im2col_aborts_where_its_buffer_has_no_room_for_dilation",
        bug_class=15,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "im2col",
                "    columns = np.zeros",
                "    if dw * kw > kw:  # an assertion of compiled code\n"
                "        import os\n\n        os.abort()\n"
                "    columns = np.zeros",
            ),
        ),
        spec="im2col:d1x2",
        when=("dilation_w > 1",),
        dies=True,
    ),
    # 16: height and width, and other axes in the wrong order
    Fault(
        name="im2col_swaps_the_padding",
        bug_class=16,
        stage="forward",
        depth=1,
        edits=(Edit("im2col", "image = padded(x, (ph, pw))", "image = padded(x, (pw, ph))"),),
        spec="im2col:p0x1",
        when=("padding_h != padding_w",),
    ),
    Fault(
        name="col2im_swaps_the_kernel",
        bug_class=16,
        stage="forward",
        depth=1,
        edits=(Edit("col2im", "    (kh, kw), (sh", "    (kw, kh), (sh"),),
        spec="col2im:w2k1x2",
        when=("kernel_h != kernel_w",),
    ),
    Fault(
        name="col2im_swaps_the_size",
        bug_class=16,
        stage="forward",
        depth=1,
        edits=(Edit("col2im", "n, c, h, w = input_shape", "n, c, w, h = input_shape"),),
        spec="col2im:w2",
        when=("input_h != input_w",),
    ),
    Fault(
        name="im2col_puts_images_slowest",
        bug_class=16,
        stage="forward",
        depth=2,
        edits=(
            Edit("im2col", "(c, kh, kw, oh, ow, n)", "(c, kh, kw, n, oh, ow)"),
            Edit("im2col", "transpose(1, 2, 3, 0)", "transpose(1, 0, 2, 3)"),
        ),
        spec="im2col:n2w2",
        when=("output > 1 on either axis", "batch > 1"),
    ),
    Fault(
        name="col2im_takes_channels_for_fastest",
        bug_class=16,
        stage="forward",
        depth=2,
        edits=(
            Edit("col2im", "columns.reshape(c, kh, kw, oh, ow, n)", "columns.reshape(kh, kw, c, oh, ow, n)"),
            Edit("col2im", "entries[:, i, j]", "entries[i, j]"),
        ),
        spec="col2im:c2w2k1x2",
        when=("kernel > 1 on either axis", "channels > 1", "not layout broadcast"),
    ),
    # 17: memory layouts
    Fault(
        name="im2col_takes_expanded_images_for_one",
        bug_class=17,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "im2col",
                "    n, c, h, w = x.shape\n",
                "    x = x[:1] if x.strides[0] == 0 else x\n    n, c, h, w = x.shape\n",
            ),
        ),
        spec="im2col:n2:broadcast",
        when=("batch > 1", "layout broadcast"),
    ),
    Fault(
        name="col2im_takes_images_for_slowest_in_column_major_memory",
        bug_class=17,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "col2im",
                "    entries = columns",
                '    order = "F" if 0 < columns.strides[0] <= columns.strides[1] else "C"\n'
                "    entries = columns.reshape(c * kh * kw, oh * ow, n, order=order)",
            ),
        ),
        spec="col2im:n2w2:fortran",
        when=("output > 1 on either axis", "batch > 1", "layout fortran"),
    ),
    # 19: the dtype
    Fault(
        name="im2col_widens_in_its_buffer",
        bug_class=19,
        stage="forward",
        depth=1,
        edits=(Edit("im2col", "(c, kh, kw, oh, ow, n), x.dtype)", "(c, kh, kw, oh, ow, n))"),),
        spec="im2col:f32",
        when=("dtype f32",),
    ),
    # 22: nothing
    Fault(
        name="im2col_stacks_no_images",
        bug_class=22,
        stage="forward",
        depth=1,
        edits=(Edit("im2col", "patch.transpose(1, 2, 3, 0)", "np.stack([each for each in patch], axis=-1)"),),
        spec="im2col:n0",
        when=("batch = 0",),
    ),
    # 23: what must be rejected
    Fault(
        name="im2col_has_no_columns_where_the_kernel_does_not_fit",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(Edit("places", "if count < 1:", "if count < 0:"),),
        spec="im2col:k1x2",
        when=("the problem breaks the rule: kernel_size with dilation does not fit size with padding",),
    ),
    Fault(
        name="im2col_accepts_a_dilation_of_zero",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(Edit("places", "or dilation < 1 or", "or dilation < 0 or"),),
        spec="im2col:d1x0",
        when=("the problem breaks the rule: dilation must be at least 1",),
    ),
    # 25: whose memory it is
    Fault(
        name="im2col_returns_a_view_of_x_for_a_kernel_of_1",
        bug_class=25,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "im2col",
                "    image = padded",
                "    if (n, kh, kw, sh, sw, ph, pw) == (1, 1, 1, 1, 1, 0, 0):\n"
                "        return x.reshape(c, h * w)\n"
                "    image = padded",
            ),
        ),
        spec="im2col",
        when=("kernel = 1 on both axes", "stride = 1 on both axes", "padding = 0 on both axes", "batch = 1"),
    ),
    Fault(
        name="col2im_returns_a_view_of_columns_for_a_kernel_of_1",
        bug_class=25,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "col2im",
                "    image = np.zeros",
                "    if (kh, kw, sh, sw, ph, pw) == (1, 1, 1, 1, 0, 0):\n"
                "        return entries[:, 0, 0].transpose(3, 0, 1, 2)\n"
                "    image = np.zeros",
            ),
        ),
        spec="col2im",
        when=("kernel = 1 on both axes", "stride = 1 on both axes", "padding = 0 on both axes"),
    ),
    # 27: state
    Fault(
        name="im2col_keeps_output_sizes_for_other_dilations",
        bug_class=27,
        stage="forward",
        depth=2,
        edits=(
            Edit("im2col", "dilation: Pair) -> Array:", "dilation: Pair, known: dict = {}) -> Array:"),
            Edit(
                "im2col",
                "    image = padded",
                "    oh, ow = known.setdefault((h, w, kernel_size, stride, padding), (oh, ow))\n    image = padded",
            ),
        ),
        spec="im2col:w3k1x2d1x2",
        when=("kernel > 1 on either axis",),
        after="im2col:w3k1x2",
    ),
    # 28: several options must meet
    Fault(
        name="im2col_forgets_the_dilation_of_strided_padded_windows",
        bug_class=28,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "im2col",
                "top, left = i * dh, j * dw",
                "top, left = i * dh, j if sw > 1 and pw > 0 else j * dw",
            ),
        ),
        spec="im2col:k1x2s1x2p0x1d1x2",
        when=("kernel_w > 1", "stride_w > 1", "padding_w > 0", "dilation_w > 1"),
    ),
    Fault(
        name="col2im_forgets_to_crop_the_last_plane_of_a_tail",
        bug_class=28,
        stage="forward",
        depth=5,
        edits=(
            Edit(
                "col2im",
                "    return image[:, :, ph : ph + h, pw : pw + w].copy()",
                "    found = image[:, :, ph : ph + h, pw : pw + w].copy()\n"
                "    if n > 1 and c > 1 and kh > 1 and sw > 1:\n"
                "        found[-1, -1] = image[-1, -1, :h, pw : pw + w]\n"
                "    return found",
            ),
        ),
        spec="col2im:n2c2k2x1s1x2p1x0",
        when=("kernel_h > 1", "stride_w > 1", "padding_h > 0", "batch > 1", "channels > 1"),
    ),
)
