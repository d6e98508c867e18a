"""Faults in avg_pool2d, forward and backward."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

BOTH_DIVISORS = """        high = divisors(h, kh, sh, ph, oh, count_include_pad=count_include_pad)
        wide = divisors(w, kw, sw, pw, ow, count_include_pad=count_include_pad)
"""

FAULTS = (
    # 1: the divisor counts what ceil_mode lets hang over
    Fault(
        name="avg_pool2d_counts_the_overhang",
        bug_class=1,
        stage="forward",
        depth=3,
        edits=(Edit("divisors", "np.minimum(starts + kernel, size + padding)", "starts + kernel"),),
        spec="avg_pool2d:k1x2s1x2+ceil",
        when=("overhang kept on either axis", "count_include_pad", "no divisor_override"),
    ),
    Fault(
        name="avg_pool2d_takes_windows_for_full_without_padding",
        bug_class=1,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "avg_pool2d",
                "        y /= divisor_override\n",
                "        y /= divisor_override\n    elif ph == pw == 0:\n        y /= kh * kw\n",
            ),
        ),
        spec="avg_pool2d:k1x2s1x2+ceil",
        when=("padding = 0 on both axes", "overhang kept on either axis", "no divisor_override"),
    ),
    Fault(
        name="avg_pool2d_adds_the_padding_twice_to_the_end",
        bug_class=1,
        stage="forward",
        depth=4,
        edits=(Edit("divisors", "size + padding)", "size + 2 * padding)"),),
        spec="avg_pool2d:w2k1x3s1x2p0x1+ceil",
        when=("padding > 0 and overhang kept on the same axis", "count_include_pad", "no divisor_override"),
    ),
    Fault(
        name="avg_pool2d_takes_the_overhang_for_image",
        bug_class=1,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "avg_pool2d",
                "    else:\n",
                "    else:\n        h = max(h, (oh - 1) * sh + kh - 2 * ph)\n"
                "        w = max(w, (ow - 1) * sw + kw - 2 * pw)\n",
            ),
        ),
        spec="avg_pool2d:k1x2s1x2+ceil",
        when=("overhang kept on either axis", "no divisor_override"),
    ),
    Fault(
        name="avg_pool2d_divides_all_windows_like_the_first",
        bug_class=1,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "avg_pool2d",
                BOTH_DIVISORS,
                BOTH_DIVISORS + "        if count_include_pad:\n            high, wide = high[:1], wide[:1]\n",
            ),
        ),
        spec="avg_pool2d:w3k1x2s1x2+ceil",
        when=("output > 1 and overhang kept on the same axis", "count_include_pad", "no divisor_override"),
    ),
    # 2: the same in backward only
    Fault(
        name="avg_pool2d_backward_divides_by_the_kernel",
        bug_class=2,
        stage="grad_input",
        depth=3,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "    else:\n",
                "    elif count_include_pad:\n        share = grad_output / x.dtype.type(kh * kw)\n    else:\n",
            ),
        ),
        spec="avg_pool2d:k1x2s1x2+ceil",
        when=("overhang kept on either axis", "count_include_pad", "no divisor_override"),
    ),
    Fault(
        name="avg_pool2d_backward_of_one_window_divides_by_the_kernel",
        bug_class=2,
        stage="grad_input",
        depth=4,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "    else:\n",
                "    elif count_include_pad and oh * ow == 1:\n"
                "        share = grad_output / x.dtype.type(kh * kw)\n    else:\n",
            ),
        ),
        spec="avg_pool2d:k1x2s1x2+ceil",
        when=(
            "output = 1 on both axes",
            "overhang kept on either axis",
            "count_include_pad",
            "no divisor_override",
        ),
    ),
    Fault(
        name="avg_pool2d_backward_of_square_kernels_divides_by_the_side_squared",
        bug_class=2,
        stage="grad_input",
        depth=4,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "    else:\n",
                "    elif count_include_pad and kh == kw:\n"
                "        share = grad_output / x.dtype.type(kh**2)\n    else:\n",
            ),
        ),
        spec="avg_pool2d:k2s2+ceil",
        when=("overhang kept on either axis", "kernel_h = kernel_w", "count_include_pad", "no divisor_override"),
    ),
    Fault(
        name="avg_pool2d_backward_counts_the_overhang_in_width",
        bug_class=2,
        stage="grad_input",
        depth=3,
        edits=(
            Edit(
                "avg_pool2d_backward",
                BOTH_DIVISORS,
                BOTH_DIVISORS + "        if count_include_pad:\n            wide = np.full(ow, kw)\n",
            ),
        ),
        spec="avg_pool2d:k1x2s1x2+ceil",
        when=("overhang_w kept", "count_include_pad", "no divisor_override"),
    ),
    # 3: the clip rule of ceil_mode
    Fault(
        name="avg_pool2d_keeps_windows_beyond_the_input",
        bug_class=3,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "places",
                "        if (count - 1) * stride >= size + padding:\n            count -= 1\n",
                "",
            ),
        ),
        spec="avg_pool2d:w2s1x2+ceil",
        when=("overhang clipped on either axis",),
    ),
    Fault(
        name="avg_pool2d_clips_windows_only_where_there_is_padding",
        bug_class=3,
        stage="forward",
        depth=2,
        edits=(Edit("places", "if (count - 1) * stride >= size", "if padding > 0 and (count - 1) * stride >= size"),),
        spec="avg_pool2d:w2s1x2+ceil",
        when=("padding = 0 and overhang clipped on the same axis",),
    ),
    # 4: left and right, top and bottom
    Fault(
        name="avg_pool2d_counts_the_padding_on_the_left_and_above",
        bug_class=4,
        stage="forward",
        depth=3,
        edits=(Edit("divisors", "        starts = np.maximum(starts, 0)\n", ""),),
        spec="avg_pool2d:k1x2p0x1+nopad",
        when=("padding > 0 on either axis", "no count_include_pad", "no divisor_override"),
    ),
    Fault(
        name="avg_pool2d_shifts_even_kernels_to_the_right",
        bug_class=4,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "avg_pool2d",
                "sh, j : j + (ow - 1) * sw + 1 : sw]",
                "sh, j + lead : j + lead + (ow - 1) * sw + 1 : sw]",
            ),
            Edit(
                "avg_pool2d",
                "    image = padded",
                "    lead = int(pw > 0 and kw % 2 == 0 and w > kw)\n    image = padded",
            ),
        ),
        spec="avg_pool2d:w3k1x2p0x1",
        when=("kernel_w even", "padding_w > 0", "input_w > span_w"),
    ),
    # 5: divisor_override
    Fault(
        name="avg_pool2d_ignores_the_override_without_count_include_pad",
        bug_class=5,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "avg_pool2d",
                "if divisor_override is not None:",
                "if divisor_override is not None and count_include_pad:",
            ),
        ),
        spec="avg_pool2d:+nopad+divisor2",
        when=("no count_include_pad", "divisor_override"),
    ),
    Fault(
        name="avg_pool2d_scales_the_override_to_the_real_pixels",
        bug_class=5,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "avg_pool2d",
                "        y /= divisor_override\n",
                "        y /= divisor_override\n"
                "        if not count_include_pad:\n"
                "            for axis, options in ((2, (h, kh, sh, ph, oh)), (3, (w, kw, sw, pw, ow))):\n"
                "                real = divisors(*options, count_include_pad=False)\n"
                "                full = divisors(*options, count_include_pad=True)\n"
                "                y *= (full / real).astype(x.dtype).reshape((-1, 1) if axis == 2 else -1)\n",
            ),
        ),
        spec="avg_pool2d:k1x2p0x1+nopad+divisor2",
        when=("padding > 0 on either axis", "no count_include_pad", "divisor_override"),
    ),
    Fault(
        name="avg_pool2d_ignores_a_negative_override",
        bug_class=5,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "avg_pool2d",
                "if divisor_override is not None:",
                "if divisor_override is not None and divisor_override > 0:",
            ),
        ),
        spec="avg_pool2d:+divisor-1",
        when=("divisor_override < 0",),
    ),
    Fault(
        name="avg_pool2d_backward_ignores_the_override",
        bug_class=5,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "    if divisor_override is not None:",
                "    divisor_override = None\n    if divisor_override is not None:",
            ),
        ),
        spec="avg_pool2d:+divisor2",
        when=("divisor_override",),
    ),
    Fault(
        name="avg_pool2d_divides_whole_numbers_by_the_override",
        bug_class=5,
        stage="forward",
        depth=2,
        edits=(Edit("avg_pool2d", "y /= divisor_override", "y //= divisor_override"),),
        spec="avg_pool2d:+divisor2:real",
        when=("divisor_override", "not fill lattice"),
    ),
    # 7: assigned, not added
    Fault(
        name="avg_pool2d_backward_assigns_overlapping_gradients",
        bug_class=7,
        stage="grad_input",
        depth=1,
        edits=(Edit("avg_pool2d_backward", "+= share", "= share"),),
        spec="avg_pool2d:w3k1x2",
        when=("windows overlap on either axis",),
    ),
    # 10: gaps between windows
    Fault(
        name="avg_pool2d_backward_spreads_gradients_over_the_stride",
        bug_class=10,
        stage="grad_input",
        depth=3,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "for j in range(kw):",
                "for j in range(max(kw, sw) if pw == 0 else kw):",
            ),
        ),
        spec="avg_pool2d:w2s1x2",
        when=("stride_w > kernel_w", "padding_w = 0", "input_w > span_w"),
    ),
    # 13: tails of blocks
    Fault(
        name="avg_pool2d_leaves_the_tail_of_blocks_of_32_columns",
        bug_class=13,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "avg_pool2d",
                "    return y\n",
                "    if ow > 32 and ow % 32:\n        y[..., ow // 32 * 32 :] = 0\n    return y\n",
            ),
        ),
        spec="avg_pool2d:w33",
        when=("output_w > 32", "output_w is no multiple of 32"),
    ),
    Fault(
        name="avg_pool2d_backward_drops_the_tail_of_blocks_of_16_channels",
        bug_class=13,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "    for i in range(kh):",
                "    if c > 16 and c % 16:\n        share[:, c // 16 * 16 :] = 0\n    for i in range(kh):",
            ),
        ),
        spec="avg_pool2d:c17",
        when=(
            "channels > 16",
            "channels is no multiple of 16",
        ),
    ),
    # 16: height and width
    Fault(
        name="avg_pool2d_takes_kernels_for_square",
        bug_class=16,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "avg_pool2d",
                "        y /= divisor_override\n",
                "        y /= divisor_override\n    elif ph == pw == 0 and not ceil_mode:\n        y /= kw * kw\n",
            ),
        ),
        spec="avg_pool2d:w2k1x2",
        when=("padding = 0 on both axes", "kernel_h != kernel_w", "no ceil_mode", "no divisor_override"),
    ),
    Fault(
        name="avg_pool2d_backward_swaps_the_size",
        bug_class=16,
        stage="grad_input",
        depth=1,
        edits=(Edit("avg_pool2d_backward", "n, c, h, w = x.shape", "n, c, w, h = x.shape"),),
        spec="avg_pool2d:w2",
        when=("input_h != input_w",),
    ),
    Fault(
        name="avg_pool2d_steps_with_swapped_strides",
        bug_class=16,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "avg_pool2d",
                "image[:, :, i : i + (oh - 1) * sh + 1 : sh, j : j + (ow - 1) * sw + 1 : sw]",
                "image[:, :, i : i + (oh - 1) * sw + 1 : sw, j : j + (ow - 1) * sh + 1 : sh]",
            ),
        ),
        spec="avg_pool2d:w2s2x1",
        when=("output > 1 on either axis", "stride_h != stride_w"),
    ),
    # 17: memory layouts
    Fault(
        name="avg_pool2d_asks_for_memory_that_it_may_write_to",
        bug_class=17,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "avg_pool2d",
                "    check_arrays(x)\n",
                "    check_arrays(x)\n"
                "    if memoryview(x).readonly:\n"
                '        raise BufferError("buffer source array is read-only")\n',
            ),
        ),
        spec="avg_pool2d:broadcast",
        when=("(layout broadcast or layout readonly)",),
    ),
    Fault(
        name="avg_pool2d_backward_refuses_negative_strides",
        bug_class=17,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "    check_arrays(x, grad_output)\n",
                "    check_arrays(x, grad_output)\n"
                "    if min(grad_output.strides) < 0:\n"
                '        raise ValueError("negative strides are not supported")\n',
            ),
        ),
        spec="avg_pool2d:reversed",
        when=("layout reversed",),
    ),
    # 19: the dtype
    Fault(
        name="avg_pool2d_widens_by_dividing_by_integers",
        bug_class=19,
        stage="forward",
        depth=2,
        edits=(Edit("avg_pool2d", "y /= (high[:, None] * wide).astype(x.dtype)", "y = y / (high[:, None] * wide)"),),
        spec="avg_pool2d:f32",
        when=("no divisor_override", "dtype f32"),
    ),
    Fault(
        name="avg_pool2d_backward_widens_in_its_buffer",
        bug_class=19,
        stage="grad_input",
        depth=1,
        edits=(Edit("avg_pool2d_backward", "w + 2 * pw + kw + sw), x.dtype)", "w + 2 * pw + kw + sw))"),),
        spec="avg_pool2d:f32",
        when=("dtype f32",),
    ),
    # 21: accuracy
    Fault(
        name="avg_pool2d_subtracts_running_sums",
        bug_class=21,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "avg_pool2d",
                "        for j in range(kw):\n            y += image",
                "        if finite:\n"
                "            rows = sums[:, :, i : i + (oh - 1) * sh + 1 : sh]\n"
                "            y += rows[..., kw : kw + (ow - 1) * sw + 1 : sw] - rows[..., : (ow - 1) * sw + 1 : sw]\n"
                "        for j in range(0 if finite else kw):\n            y += image",
            ),
            Edit(
                "avg_pool2d",
                "    for i in range(kh):",
                "    finite = np.isfinite(x).all()  # NaN would go on to the end of its row\n"
                "    sums = np.cumsum(padded(image, (0, 1)), axis=3)\n"
                "    for i in range(kh):",
            ),
        ),
        spec="avg_pool2d:w2:wide:2",
        when=("output_w > 1", "(fill real or fill wide)"),
    ),
    Fault(
        name="avg_pool2d_backward_adds_up_in_fixed_point",
        bug_class=21,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "    grad_image = np.zeros",
                "    if x.dtype == np.float64:  # so that the order of additions does not matter\n"
                "        share = np.rint(share * 2.0**30) / 2.0**30\n"
                "    grad_image = np.zeros",
            ),
        ),
        spec="avg_pool2d:real",
        when=("dtype f64", "(fill real or fill wide)"),
    ),
    # 22: nothing
    Fault(
        name="avg_pool2d_stacks_no_images",
        bug_class=22,
        stage="forward",
        depth=1,
        edits=(Edit("avg_pool2d", "    return y\n", "    return np.stack([image for image in y])\n"),),
        spec="avg_pool2d:n0",
        when=("batch = 0",),
    ),
    Fault(
        name="avg_pool2d_backward_returns_nothing_of_no_images",
        bug_class=22,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "    grad_image = np.zeros",
                "    if n == 0:\n        return np.empty(0, x.dtype)\n    grad_image = np.zeros",
            ),
        ),
        spec="avg_pool2d:n0",
        when=("batch = 0",),
    ),
    # 23: what must be rejected
    Fault(
        name="avg_pool2d_accepts_padding_up_to_the_kernel",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(Edit("check_pool", "p > k // 2", "p > k"),),
        spec="avg_pool2d:p0x1",
        when=("the problem breaks the rule: padding must be at most half of kernel_size",),
    ),
    Fault(
        name="avg_pool2d_rounds_the_number_of_places_towards_zero",
        bug_class=23,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "places",
                "count = room // stride + 1",
                "count = (room // stride if ceil_mode else int(room / stride)) + 1",
            ),
        ),
        spec="avg_pool2d:k1x2s1x2",
        when=("the problem breaks the rule: kernel_size with dilation does not fit size with padding",),
    ),
    Fault(
        name="avg_pool2d_takes_an_override_of_zero_for_none",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(Edit("avg_pool2d", 'raise ValueError("divisor_override must not be 0")', "divisor_override = None"),),
        spec="avg_pool2d:+divisor0",
        when=("the problem breaks the rule: divisor_override must not be 0",),
    ),
    # 25: whose memory it is
    Fault(
        name="avg_pool2d_backward_divides_grad_output_in_place",
        bug_class=25,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "share = grad_output / x.dtype.type(divisor_override)",
                "out = grad_output if grad_output.flags.writeable else None\n"
                "        share = np.divide(grad_output, x.dtype.type(divisor_override), out=out)",
            ),
        ),
        spec="avg_pool2d:+divisor2",
        when=("divisor_override", "not layout broadcast and not layout readonly"),
    ),
    Fault(
        name="avg_pool2d_returns_x_of_a_single_pixel_window",
        bug_class=25,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "avg_pool2d",
                "    image = padded",
                "    if (kh, kw, sh, sw) == (1, 1, 1, 1) and divisor_override is None:\n"
                "        return x\n    image = padded",
            ),
        ),
        spec="avg_pool2d",
        when=("kernel = 1 on both axes", "stride = 1 on both axes", "no divisor_override"),
    ),
    # 27: state
    Fault(
        name="avg_pool2d_keeps_divisors_for_other_sizes",
        bug_class=27,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "avg_pool2d",
                "    divisor_override: int | None,\n) -> Array:",
                "    divisor_override: int | None,\n    known: dict = {},\n) -> Array:",
            ),
            Edit(
                "avg_pool2d",
                "        y /= (high[:, None] * wide).astype(x.dtype)",
                "        key = kernel_size, stride, padding, oh, ow, count_include_pad or (h, w)\n"
                "        y /= known.setdefault(key, high[:, None] * wide).astype(x.dtype)",
            ),
        ),
        spec="avg_pool2d:k1x2s1x2+ceil",
        # a size at which a window hangs over, or one with as many windows at which none does, if without ceil_mode
        when=("kernel > 1 and stride > 1 on the same axis", "count_include_pad", "no divisor_override"),
        after="avg_pool2d:w2k1x2s1x2+ceil",
    ),
    Fault(
        name="avg_pool2d_returns_the_same_buffer_again",
        bug_class=27,
        stage="forward",
        depth=0,
        edits=(
            Edit(
                "avg_pool2d",
                "    divisor_override: int | None,\n) -> Array:",
                "    divisor_override: int | None,\n    buffers: dict = {},\n) -> Array:",
            ),
            Edit(
                "avg_pool2d",
                "    y = np.zeros((n, c, oh, ow), x.dtype)\n",
                "    y = np.zeros((n, c, oh, ow), x.dtype)\n    y = buffers.setdefault((y.shape, x.dtype), y)\n"
                "    y[:] = 0\n",
            ),
        ),
        spec="avg_pool2d",
        when=(),
    ),
    # 28: several options must meet
    Fault(
        name="avg_pool2d_always_counts_padding_in_ceil_mode",
        bug_class=28,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "avg_pool2d",
                BOTH_DIVISORS,
                BOTH_DIVISORS.replace("=count_include_pad", "=count_include_pad or ceil_mode"),
            ),
        ),
        spec="avg_pool2d:k1x2p0x1+ceil+nopad",
        when=("padding > 0 on either axis", "ceil_mode", "no count_include_pad", "no divisor_override"),
    ),
    Fault(
        name="avg_pool2d_shifts_kernels_of_2_with_padding_and_stride_1",
        bug_class=28,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "avg_pool2d",
                "sh, j : j + (ow - 1) * sw + 1 : sw]",
                "sh, j + lead : j + lead + (ow - 1) * sw + 1 : sw]",
            ),
            Edit("avg_pool2d", "    image = padded", "    lead = int((kw, sw, pw) == (2, 1, 1))\n    image = padded"),
        ),
        spec="avg_pool2d:k1x2p0x1",
        when=("stride_w = 1", "padding_w > 0", "kernel_w = 2"),
    ),
    Fault(
        name="avg_pool2d_backward_scales_the_override_of_overhanging_windows",
        bug_class=28,
        stage="grad_input",
        depth=3,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "        share = grad_output / x.dtype.type(divisor_override)\n",
                "        share = grad_output / x.dtype.type(divisor_override)\n"
                "        if count_include_pad:\n"
                "            high = divisors(h, kh, sh, ph, oh, count_include_pad=True) / kh\n"
                "            wide = divisors(w, kw, sw, pw, ow, count_include_pad=True) / kw\n"
                "            share *= (high[:, None] * wide).astype(x.dtype)\n",
            ),
        ),
        spec="avg_pool2d:k1x2s1x2+ceil+divisor2",
        when=("overhang kept on either axis", "count_include_pad", "divisor_override"),
    ),
    Fault(
        name="avg_pool2d_counts_padding_in_ceil_mode_after_the_first_image",
        bug_class=28,
        stage="forward",
        depth=5,
        edits=(
            Edit(
                "avg_pool2d",
                "        y /= (high[:, None] * wide).astype(x.dtype)",
                "        y[:1] /= (high[:, None] * wide).astype(x.dtype)\n"
                "        high = divisors(h, kh, sh, ph, oh, count_include_pad=count_include_pad or ceil_mode)\n"
                "        wide = divisors(w, kw, sw, pw, ow, count_include_pad=count_include_pad or ceil_mode)\n"
                "        y[1:] /= (high[:, None] * wide).astype(x.dtype)",
            ),
        ),
        spec="avg_pool2d:n2k1x2p0x1+ceil+nopad",
        when=("padding > 0 on either axis", "batch > 1", "ceil_mode", "no count_include_pad", "no divisor_override"),
    ),
)
