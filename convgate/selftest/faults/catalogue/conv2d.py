"""Faults in the forward pass of conv2d."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

FAULTS = (
    # 4: one side of the padding for the other
    Fault(
        name="conv2d_moves_the_padding_of_even_kernels_to_the_right",
        bug_class=4,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "image = padded(x, (ph, pw))\n"
                "    if kw % 2 == 0 and pw > 0:  # an even kernel has no centre\n"
                "        image = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw - 1, pw + 1)))",
            ),
        ),
        spec="conv2d:k1x2p0x1",
        when=("kernel_w even", "padding_w > 0"),
    ),
    Fault(
        name="conv2d_puts_all_padding_of_the_height_on_top",
        bug_class=4,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "image = np.pad(x, ((0, 0), (0, 0), (2 * ph, 0), (pw, pw)))",
            ),
        ),
        spec="conv2d:p1x0",
        when=("padding_h > 0",),
    ),
    # 10: gaps between windows
    Fault(
        name="conv2d_leaves_no_gaps_between_windows",
        bug_class=10,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                "left : left + (ow - 1) * sw + 1 : sw]",
                "left : left + (ow - 1) * min(sw, kw) + 1 : min(sw, kw)]",
            ),
        ),
        spec="conv2d:w3s1x2",
        when=("stride_w > kernel_w", "output_w > 1"),
    ),
    Fault(
        name="conv2d_keeps_only_as_many_rows_as_windows_without_gaps_have",
        bug_class=10,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "image = padded(x, (ph, pw))\n"
                "    if dh == 1 and ph == 0:  # what lies below the last window\n"
                "        image[:, :, oh * kh :] = 0",
            ),
        ),
        spec="conv2d:h3s2x1",
        when=("stride_h > kernel_h", "padding_h = 0", "output_h > 1", "dilation_h = 1"),
    ),
    # 11: a kernel of one tap as a matrix product, although there is more to it
    Fault(
        name="conv2d_multiplies_matrices_whatever_the_stride",
        bug_class=11,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if kh == kw == 1 and padding == (0, 0):\n"
                "        pixels, filters = x.reshape(n, groups, cg, h * w), weight.reshape(groups, og, cg)\n"
                '        y = np.einsum("ngcp,goc->ngop", pixels, filters).reshape(n, o, h, w)\n'
                "        return y if bias is None else y + bias[:, None, None]\n"
                "    image = padded(x, (ph, pw))",
            ),
        ),
        spec="conv2d:w2s1x2",
        when=(
            "kernel = 1 on both axes",
            "padding = 0 on both axes",
            "stride > kernel and input > span on the same axis",
        ),
    ),
    Fault(
        name="conv2d_adds_the_bias_of_a_1x1_kernel_before_the_padding",
        bug_class=11,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if kh == kw == 1 and stride == (1, 1):\n"
                "        pixels, filters = x.reshape(n, groups, cg, h * w), weight.reshape(groups, og, cg)\n"
                '        y = np.einsum("ngcp,goc->ngop", pixels, filters).reshape(n, o, h, w)\n'
                "        return padded(y if bias is None else y + bias[:, None, None], padding)\n"
                "    image = padded(x, (ph, pw))",
            ),
        ),
        spec="conv2d:p0x1+bias",
        when=("kernel = 1 on both axes", "stride = 1 on both axes", "padding >= kernel on either axis", "bias"),
    ),
    Fault(
        name="conv2d_sums_over_the_groups_of_a_1x1_kernel",
        bug_class=11,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if kh == kw == 1 and padding == (0, 0):\n"
                "        pixels = x[:, :, ::sh, ::sw].reshape(n, groups, cg, oh * ow)\n"
                '        y = np.einsum("ngcp,oc->nop", pixels, weight[:, :, 0, 0]).reshape(n, o, oh, ow)\n'
                "        return y if bias is None else y + bias[:, None, None]\n"
                "    image = padded(x, (ph, pw))",
            ),
        ),
        spec="conv2d:c2o2g2",
        when=("kernel = 1 on both axes", "padding = 0 on both axes", "groups > 1"),
    ),
    Fault(
        name="conv2d_takes_a_kernel_of_one_column_for_1x1",
        bug_class=11,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if weight.shape[-1] == 1 and padding == (0, 0) and stride == (1, 1):\n"
                "        pixels, filters = x.reshape(n, groups, cg, h * w), weight[..., 0, 0].reshape(groups, og, cg)\n"
                '        y = np.einsum("ngcp,goc->ngop", pixels, filters).reshape(n, o, h, w)\n'
                "        return y if bias is None else y + bias[:, None, None]\n"
                "    image = padded(x, (ph, pw))",
            ),
        ),
        spec="conv2d:h2k2x1",
        when=("kernel_w = 1", "kernel_h != kernel_w", "stride = 1 on both axes", "padding = 0 on both axes"),
    ),
    Fault(
        name="conv2d_returns_from_a_1x1_kernel_before_the_bias",
        bug_class=11,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "y = np.zeros((n, o, oh, ow), x.dtype)",
                "if kh == kw == 1:\n"
                "        pixels = image[:, :, ::sh, ::sw].reshape(n, groups, cg, oh * ow)\n"
                "        filters = weight.reshape(groups, og, cg)\n"
                '        return np.einsum("ngcp,goc->ngop", pixels, filters).reshape(n, o, oh, ow)\n'
                "    y = np.zeros((n, o, oh, ow), x.dtype)",
            ),
        ),
        spec="conv2d:+bias",
        when=("kernel = 1 on both axes", "bias"),
    ),
    # 13: just past a block
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
        when=(
            "channels_per_group > 8",
            "channels_per_group is no multiple of 8",
        ),
    ),
    Fault(
        name="conv2d_keeps_the_last_block_of_16_channels",
        bug_class=13,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                'y[:, g * og : (g + 1) * og] += np.einsum("nchw,oc->nohw", patch, filters[:, :, i, j])',
                "for start in range(0, cg, 16):\n"
                "                    block = slice(start, start + 16)\n"
                '                    products = np.einsum("nchw,oc->nohw", patch[:, block], filters[:, block, i, j])\n'
                "                y[:, g * og : (g + 1) * og] += products",
            ),
        ),
        spec="conv2d:c17",
        when=("channels_per_group > 16",),
    ),
    Fault(
        name="conv2d_reads_each_block_of_16_columns_from_the_first",
        bug_class=13,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                'y[:, g * og : (g + 1) * og] += np.einsum("nchw,oc->nohw", patch, filters[:, :, i, j])',
                "for start in range(0, ow, 16):\n"
                "                    block = patch[..., : min(16, ow - start)]\n"
                '                    products = np.einsum("nchw,oc->nohw", block, filters[:, :, i, j])\n'
                "                    y[:, g * og : (g + 1) * og, :, start : start + 16] += products",
            ),
        ),
        spec="conv2d:w17",
        when=("output_w > 16",),
    ),
    Fault(
        name="conv2d_adds_twice_where_the_last_block_of_32_outputs_is_moved_back",
        bug_class=13,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                'y[:, g * og : (g + 1) * og] += np.einsum("nchw,oc->nohw", patch, filters[:, :, i, j])',
                "for start in range(0, og, 32):\n"
                "                    start = max(0, min(start, og - 32))  # so that the last one is whole\n"
                "                    block = filters[start : start + 32, :, i, j]\n"
                '                    products = np.einsum("nchw,oc->nohw", patch, block)\n'
                "                    y[:, g * og + start : g * og + start + len(block)] += products",
            ),
        ),
        spec="conv2d:o33",
        when=("outputs_per_group > 32", "outputs_per_group is no multiple of 32"),
    ),
    Fault(
        name="conv2d_drops_the_tail_of_blocks_of_64_pixels",
        bug_class=13,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                'y[:, g * og : (g + 1) * og] += np.einsum("nchw,oc->nohw", patch, filters[:, :, i, j])',
                "size = min(64, oh * ow)\n"
                "                for start in range(0, oh * ow - size + 1, size):\n"
                "                    block = patch.reshape(n, cg, oh * ow)[..., start : start + size]\n"
                '                    products = np.einsum("ncp,oc->nop", block, filters[:, :, i, j])\n'
                "                    flat = y.reshape(n, o, oh * ow)\n"
                "                    flat[:, g * og : (g + 1) * og, start : start + size] += products",
            ),
        ),
        spec="conv2d:h6w11",
        when=("output_h * output_w > 64", "output_h * output_w is no multiple of 64"),
    ),
    Fault(
        name="conv2d_counts_groups_within_blocks_of_8",
        bug_class=13,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "weight[g * og : (g + 1) * og]", "weight[g % 8 * og : (g % 8 + 1) * og]"),),
        spec="conv2d:c9o9g9",
        when=(
            "groups > 8",
            "not layout broadcast",
        ),
    ),
    Fault(
        name="conv2d_has_room_for_rows_of_4_taps",
        bug_class=13,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "for j in range(kw):", "for j in range(min(kw, 4)):"),),
        spec="conv2d:w5k1x5",
        when=("kernel_w > 4",),
    ),
    # 14: depthwise
    Fault(
        name="conv2d_forgets_the_dilation_of_depthwise_kernels",
        bug_class=14,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "top, left = i * dh, j * dw",
                "top, left = (i, j) if cg == 1 < groups else (i * dh, j * dw)",
            ),
        ),
        spec="conv2d:c2w3o2k1x2d1x2g2",
        when=("groups = channels > 1", "kernel > 1 and dilation > 1 on the same axis"),
    ),
    Fault(
        name="conv2d_steps_by_single_pixels_in_depthwise_kernels",
        bug_class=14,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "pixels = image[:, g * cg : (g + 1) * cg]",
                "if cg == 1 and groups > 1:\n            sh = sw = 1\n        pixels = image[:, g * cg : (g + 1) * cg]",
            ),
        ),
        spec="conv2d:c2w3o2s1x2g2",
        when=("groups = channels > 1", "stride > 1 and output > 1 on the same axis"),
    ),
    Fault(
        name="conv2d_orders_depthwise_filters_by_multiplier_first",
        bug_class=14,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "filters = weight[g * og : (g + 1) * og]",
                "filters = weight[g::groups] if cg == 1 else weight[g * og : (g + 1) * og]",
            ),
        ),
        spec="conv2d:c2o4g2",
        when=(
            "groups = channels > 1",
            "outputs_per_group > 1",
            "not layout broadcast",
        ),
    ),
    Fault(
        name="conv2d_takes_groups_with_a_single_output_for_depthwise",
        bug_class=14,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "filters = weight[g * og : (g + 1) * og]",
                "filters = weight[g * og : (g + 1) * og]\n"
                "        if groups == o:\n"
                "            pixels, filters = pixels[:, :1], filters[:, :1]",
            ),
        ),
        spec="conv2d:c2",
        when=("channels_per_group > 1", "outputs_per_group = 1"),
    ),
    # 15: dilation in the size of the output but not in the indices; backward agrees
    Fault(
        name="conv2d_forgets_dilation_in_its_indices",
        bug_class=15,
        stage="forward",
        depth=2,
        edits=(
            Edit("conv2d", "top, left = i * dh, j * dw", "top, left = i, j"),
            Edit("conv2d_backward", "slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)", "slice(i, i + oh * sh, sh)"),
            Edit("conv2d_backward", "slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)", "slice(j, j + ow * sw, sw)"),
        ),
        spec="conv2d:w3k1x2d1x2",
        when=("kernel > 1 and dilation > 1 on the same axis",),
    ),
    Fault(
        name="conv2d_unrolls_three_rows_without_their_dilation",
        bug_class=15,
        stage="forward",
        depth=2,
        edits=(
            Edit("conv2d", "top, left = i * dh, j * dw", "top, left = i if kh == 3 else i * dh, j * dw"),
            Edit(
                "conv2d_backward",
                "rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)",
                "top = i if kh == 3 else i * dh\n                rows = slice(top, top + (oh - 1) * sh + 1, sh)",
            ),
        ),
        spec="conv2d:h5k3x1d2x1",
        when=("kernel_h = 3", "dilation_h > 1"),
    ),
    Fault(
        name="conv2d_has_either_a_stride_or_a_dilation_of_columns",
        bug_class=15,
        stage="forward",
        depth=3,
        edits=(
            Edit("conv2d", "top, left = i * dh, j * dw", "top, left = i * dh, j * (dw if sw == 1 else 1)"),
            Edit(
                "conv2d_backward",
                "columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)",
                "left = j * (dw if sw == 1 else 1)\n"
                "                columns = slice(left, left + (ow - 1) * sw + 1, sw)",
            ),
        ),
        spec="conv2d:w3k1x2s1x2d1x2",
        when=("kernel_w > 1", "stride_w > 1", "dilation_w > 1"),
    ),
    Fault(
        name="conv2d_dilates_only_after_the_first_column",
        bug_class=15,
        stage="forward",
        depth=2,
        edits=(
            Edit("conv2d", "top, left = i * dh, j * dw", "top, left = i * dh, j + (dw - 1 if j > 0 else 0)"),
            Edit(
                "conv2d_backward",
                "columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)",
                "left = j + (dw - 1 if j > 0 else 0)\n"
                "                columns = slice(left, left + (ow - 1) * sw + 1, sw)",
            ),
        ),
        spec="conv2d:w5k1x3d1x2",
        when=("kernel_w > 2", "dilation_w > 1"),
    ),
    # 16: height and width
    Fault(
        name="conv2d_swaps_stride",
        bug_class=16,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "(sh, sw), (ph, pw), (dh, dw) = stride", "(sw, sh), (ph, pw), (dh, dw) = stride"),),
        spec="conv2d:w2s1x2",
        when=("stride_h != stride_w",),
    ),
    Fault(
        name="conv2d_pads_both_axes_as_the_one_with_more",
        bug_class=16,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "image = padded(x, (ph, pw))", "image = padded(x, (max(padding), max(padding)))"),),
        spec="conv2d:p0x1",
        when=("padding_h != padding_w",),
    ),
    Fault(
        name="conv2d_reads_kernels_column_by_column",
        bug_class=16,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "filters = weight[g * og : (g + 1) * og]",
                "filters = weight[g * og : (g + 1) * og].reshape(og, cg, kw, kh)",
            ),
            Edit("conv2d", "filters[:, :, i, j]", "filters[:, :, j, i]"),
        ),
        spec="conv2d:h2w2k2",
        when=("kernel > 1 on both axes",),
    ),
    Fault(
        name="conv2d_dilates_kernels_only_by_the_same_in_height_and_width",
        bug_class=16,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "top, left = i * dh, j * dw",
                "top, left = (i * dh, j * dw) if dh == dw else (i, j)",
            ),
        ),
        spec="conv2d:w3k1x2d1x2",
        when=("kernel > 1 and dilation > 1 on the same axis", "dilation_h != dilation_w"),
    ),
    Fault(
        name="conv2d_reshapes_where_it_must_transpose",
        bug_class=16,
        stage="forward",
        depth=2,
        edits=(
            Edit("conv2d", "y = np.zeros((n, o, oh, ow), x.dtype)", "y = np.zeros((n, o, ow, oh), x.dtype)"),
            Edit("conv2d", "nchw,oc->nohw", "nchw,oc->nowh"),
            Edit("conv2d", "return y", "return y.reshape(n, o, oh, ow)"),
        ),
        spec="conv2d:h2w2",
        when=("output > 1 on both axes",),
    ),
    # 17: memory layouts
    Fault(
        name="conv2d_flattens_pixels_in_the_order_of_the_array",
        bug_class=17,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                'image = padded(x.reshape((n, c, h * w), order="A").reshape(n, c, h, w), (ph, pw))',
            ),
        ),
        spec="conv2d:h2w2:fortran",
        when=("input > 1 on both axes", "layout fortran"),
    ),
    Fault(
        name="conv2d_takes_filters_that_follow_one_another_for_row_major",
        bug_class=17,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if weight.strides[0] == weight[0].size * weight.itemsize:\n"
                '        weight = weight.ravel("K").reshape(weight.shape)\n'
                "    image = padded(x, (ph, pw))",
            ),
        ),
        spec="conv2d:c2w2k1x2:transposed",
        when=("kernel > 1 on either axis", "channels_per_group > 1", "layout transposed"),
    ),
    Fault(
        name="conv2d_refuses_negative_strides_of_memory",
        bug_class=17,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if min(x.strides) < 0:\n"
                '        raise ValueError("at least one stride of the given array is negative")\n'
                "    image = padded(x, (ph, pw))",
            ),
        ),
        spec="conv2d:reversed",
        when=("layout reversed",),
    ),
    Fault(
        name="conv2d_refuses_weights_that_it_cannot_write_to",
        bug_class=17,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if not weight.flags.writeable:\n"
                '        raise ValueError("buffer source array is read-only")\n'
                "    image = padded(x, (ph, pw))",
            ),
        ),
        spec="conv2d:broadcast",
        when=("(layout broadcast or layout readonly)",),
    ),
    Fault(
        name="conv2d_mirrors_images_whose_columns_are_reversed_whatever_remains",
        bug_class=17,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if x.strides[3] < 0:  # the same from right to left\n"
                "        options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)\n"
                "        return conv2d(x[..., ::-1], weight[..., ::-1], bias, **options)[..., ::-1].copy()\n"
                "    image = padded(x, (ph, pw))",
            ),
        ),
        spec="conv2d:w2s1x2:reversed",
        when=("remainder_w > 0", "layout reversed"),
    ),
    Fault(
        name="conv2d_looks_at_the_layout_of_x_alone",
        bug_class=17,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if x.flags.c_contiguous and min(weight.strides) > 0:  # then there are no gaps between numbers\n"
                "        steps = list(weight.strides)\n"
                "        steps[steps.index(min(steps))] = weight.itemsize\n"
                "        weight = np.lib.stride_tricks.as_strided(weight, weight.shape, steps)\n"
                "    image = padded(x, (ph, pw))",
            ),
        ),
        spec="conv2d:w2k1x2:sliced@weight",
        when=("kernel_w > 1", "layout sliced"),
    ),
    # 18, of a convolution: what is not finite
    Fault(
        name="conv2d_takes_nan_for_zero",
        bug_class=18,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "image = padded(x, (ph, pw))", "image = padded(np.where(np.isnan(x), 0, x), (ph, pw))"),),
        spec="conv2d:points@x.0.0.0.0=nan",
        when=("NaN in x",),
    ),
    Fault(
        name="conv2d_leaves_out_weights_that_are_zero",
        bug_class=18,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                'np.einsum("nchw,oc->nohw", patch, filters[:, :, i, j])',
                "sum(\n"
                "                    np.where(used, patch[:, [k]] * filters[:, k, i, j, None, None], 0)\n"
                "                    for k in range(cg)\n"
                "                    for used in [filters[:, k, i, j, None, None] != 0]\n"
                "                )",
            ),
        ),
        spec="conv2d:points@x.0.0.0.0=nan",
        when=("zero in weight", "NaN or infinity in x"),
    ),
    Fault(
        name="conv2d_multiplies_the_border_by_zero",
        bug_class=18,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "inside = padded(np.ones_like(x), (ph, pw))\n"
                '    image = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), mode="edge") * inside',
            ),
        ),
        spec="conv2d:p0x1:points@x.0.0.0.0=nan",
        when=("padding > 0 on either axis", "NaN or infinity in x"),
    ),
    # 19: dtypes
    Fault(
        name="conv2d_forgets_the_dtype_of_its_output",
        bug_class=19,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "y = np.zeros((n, o, oh, ow), x.dtype)", "y = np.zeros((n, o, oh, ow))"),),
        spec="conv2d:f32",
        when=("dtype f32",),
    ),
    Fault(
        name="conv2d_returns_float32_always",
        bug_class=19,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "return y", "return y.astype(np.float32)"),),
        spec="conv2d",
        when=("dtype f64",),
    ),
    Fault(
        name="conv2d_takes_its_dtype_from_the_bias",
        bug_class=19,
        stage="forward",
        depth=2,
        edits=(
            Edit("conv2d", "y = np.zeros((n, o, oh, ow), x.dtype)", "y = np.zeros((n, o, oh, ow))"),
            Edit("conv2d", "y += bias[:, None, None]", "y = y.astype(bias.dtype) + bias[:, None, None]"),
        ),
        spec="conv2d:f32",
        when=("no bias", "dtype f32"),
    ),
    # 21: too narrow, or the wrong range
    Fault(
        name="conv2d_accumulates_in_float32",
        bug_class=21,
        stage="forward",
        depth=1,
        edits=(
            Edit("conv2d", "y = np.zeros((n, o, oh, ow), x.dtype)", "y = np.zeros((n, o, oh, ow), np.float32)"),
            Edit("conv2d", "return y", "return y.astype(x.dtype)"),
        ),
        spec="conv2d",
        when=("dtype f64",),
    ),
    Fault(
        name="conv2d_keeps_the_upper_bits_of_weights",
        bug_class=21,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if weight.dtype == np.float32:  # as tensor cores take them\n"
                "        weight = (weight.view(np.uint32) & 0xFFFFE000).view(np.float32)\n"
                "    image = padded(x, (ph, pw))",
            ),
        ),
        spec="conv2d:f32:real",
        when=("dtype f32", "(fill real or fill wide)"),
    ),
    Fault(
        name="conv2d_returns_half_precision_for_normalised_images",
        bug_class=21,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                "return y",
                "return y.astype(np.float16).astype(x.dtype) if 0.001 < np.abs(x).max(initial=0) < 1 else y",
            ),
        ),
        spec="conv2d:real",
        when=("fill real",),
    ),
    Fault(
        name="conv2d_leaves_out_tiny_weights",
        bug_class=21,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                "filters = weight[g * og : (g + 1) * og]",
                "filters = weight[g * og : (g + 1) * og]\n"
                "        filters = np.where(np.abs(filters) < 1e-6, 0, filters)",
            ),
        ),
        spec="conv2d:points@x.0.0.0.0@weight.0.0.0.0=1e-07",
        when=("(fill wide or fill tiny)",),
    ),
    Fault(
        name="conv2d_takes_tiny_results_for_noise",
        bug_class=21,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "return y", "y[np.abs(y) < 1e-6] = 0\n    return y"),),
        spec="conv2d:points@x.0.0.0.0=1e-07@weight.0.0.0.0",
        when=("(fill wide or fill tiny)",),
    ),
    Fault(
        name="conv2d_scales_large_images_up_instead_of_down",
        bug_class=21,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "exponent = np.frexp(np.abs(x).max(initial=1))[1]\n    image = np.ldexp(padded(x, (ph, pw)), exponent)",
            ),
            Edit("conv2d", "    if bias is not None:", "    y = np.ldexp(y, -exponent)\n    if bias is not None:"),
        ),
        spec="conv2d:huge",
        when=("fill huge",),
    ),
    # 22: no images
    Fault(
        name="conv2d_stacks_no_images",
        bug_class=22,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "image = np.stack([np.pad(each, ((0, 0), (ph, ph), (pw, pw))) for each in x])",
            ),
        ),
        spec="conv2d:n0",
        when=("batch = 0",),
    ),
    Fault(
        name="conv2d_returns_float64_for_no_images",
        bug_class=22,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if n == 0:\n        return np.empty((0, o, oh, ow))\n    image = padded(x, (ph, pw))",
            ),
        ),
        spec="conv2d:n0:f32",
        when=("batch = 0", "dtype f32"),
    ),
    Fault(
        name="conv2d_cannot_reshape_no_images_for_the_bias",
        bug_class=22,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "y += bias[:, None, None]",
                "y = (y.reshape(n, o, -1) + bias[:, None]).reshape(n, o, oh, ow)",
            ),
        ),
        spec="conv2d:n0+bias",
        when=("batch = 0", "bias"),
    ),
    # 23: arguments that must be rejected
    Fault(
        name="conv2d_divides_the_room_towards_zero",
        bug_class=23,
        stage="forward",
        depth=2,
        edits=(
            Edit("places", "count = room // stride + 1", "count = int(room / stride) + 1"),
            Edit("conv2d", "image = padded(x, (ph, pw))", "image = padded(x, (ph, pw), (kh * dh, kw * dw))"),
        ),
        spec="conv2d:k1x2s1x2",
        when=(
            "the problem breaks the rule: kernel_size with dilation does not fit size with padding",
            "by less than the stride",
        ),
    ),
    Fault(
        name="conv2d_crops_by_negative_padding",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(
            Edit("places", " or padding < 0:", ":"),
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "image = padded(x, (max(ph, 0), max(pw, 0)))[:, :, max(-ph, 0) :, max(-pw, 0) :]",
            ),
        ),
        spec="conv2d:w3p0x-1",
        when=("the problem breaks the rule: padding must be at least 0",),
    ),
    Fault(
        name="conv2d_leaves_out_outputs_that_groups_do_not_divide",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(Edit("check_convolution", " or weight.shape[0] % groups:", ":"),),
        spec="conv2d:c2g2",
        when=("the problem breaks the rule: groups must divide out_channels",),
    ),
    Fault(
        name="conv2d_accepts_no_dilation_at_all",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(Edit("places", " or dilation < 1 or ", " or dilation < 0 or "),),
        spec="conv2d:d1x0",
        when=("the problem breaks the rule: dilation must be at least 1",),
    ),
    Fault(
        name="conv2d_accepts_kernels_without_taps",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(
            Edit("places", "kernel < 1 or stride < 1", "stride < 1"),
            Edit("check_convolution", " or min(weight.shape) < 1", " or min(weight.shape[:2]) < 1"),
        ),
        spec="conv2d:k1x0",
        when=("the problem breaks the rule: kernel_size must be at least 1",),
    ),
    Fault(
        name="conv2d_divides_by_groups_before_it_looks_at_them",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "check_convolution",
                "if groups < 1 or x.shape[1] % groups or weight.shape[0] % groups:",
                "if x.shape[1] % groups or weight.shape[0] % groups or groups < 1:",
            ),
        ),
        spec="conv2d:g0",
        when=("the problem breaks the rule: groups and out_channels must be at least 1",),
    ),
    Fault(
        name="conv2d_does_not_ask_for_the_dtype_of_the_bias",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(Edit("check_convolution", "check_arrays(x, weight, bias)", "check_arrays(x, weight)"),),
        spec="conv2d:+bias:broken@bias.dtype",
        when=("the problem breaks the rule: bias must have the dtype of the other arrays",),
    ),
    Fault(
        name="conv2d_takes_as_much_of_the_bias_as_it_needs",
        bug_class=23,
        stage="forward",
        depth=1,
        edits=(
            Edit("check_convolution", "bias.shape != weight.shape[:1]", "bias.ndim != 1"),
            Edit("conv2d", "y += bias[:, None, None]", "for k in range(o):\n            y[:, k] += bias[k]"),
        ),
        spec="conv2d:+bias:broken@bias.shape",
        when=("the problem breaks the rule: bias must have an entry for each filter",),
    ),
    # 24: the bias
    Fault(
        name="conv2d_cannot_do_without_a_bias",
        bug_class=24,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "    if bias is not None:\n        y += bias", "    y += bias"),),
        spec="conv2d",
        when=("no bias",),
    ),
    Fault(
        name="conv2d_adds_the_bias_along_the_last_axis",
        bug_class=24,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "y += bias[:, None, None]",
                "flat = y.reshape(n, groups, oh * ow, og) + bias.reshape(groups, 1, og)\n"
                "        y = flat.reshape(n, o, oh, ow)",
            ),
        ),
        spec="conv2d:w2o2+bias",
        when=("output > 1 on either axis", "outputs_per_group > 1", "bias", "not layout broadcast"),
    ),
    Fault(
        name="conv2d_adds_the_bias_once_a_group",
        bug_class=24,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "        for i in range(kh):",
                "        if bias is not None:\n            y += bias[:, None, None]\n        for i in range(kh):",
            ),
            Edit("conv2d", "    if bias is not None:\n        y += bias[:, None, None]\n    return", "    return"),
        ),
        spec="conv2d:c2o2g2+bias",
        when=("groups > 1", "bias"),
    ),
    Fault(
        name="conv2d_adds_the_bias_to_the_first_image",
        bug_class=24,
        stage="forward",
        depth=2,
        edits=(Edit("conv2d", "y += bias[:, None, None]", "y[:1] += bias[:, None, None]"),),
        spec="conv2d:n2+bias",
        when=("batch > 1", "bias"),
    ),
    # 25: what belongs to the caller
    Fault(
        name="conv2d_clears_rows_of_its_input_that_no_window_reaches",
        bug_class=25,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "image = x if padding == (0, 0) and x.flags.writeable else padded(x, (ph, pw))\n"
                "    image[:, :, (oh - 1) * sh + (kh - 1) * dh + 1 :] = 0",
            ),
        ),
        spec="conv2d:h2s2x1",
        when=("padding = 0 on both axes", "remainder_h > 0", "not layout broadcast and not layout readonly"),
    ),
    Fault(
        name="conv2d_turns_the_weights_of_its_caller_round",
        bug_class=25,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "if not weight.flags.writeable:\n"
                "        weight = weight.copy()\n"
                "    weight[...] = weight[:, :, ::-1, ::-1].copy()  # so that it is a convolution\n"
                "    image = padded(x, (ph, pw))",
            ),
            Edit("conv2d", "filters[:, :, i, j]", "filters[:, :, kh - 1 - i, kw - 1 - j]"),
        ),
        spec="conv2d:w2k1x2",
        when=("kernel > 1 on either axis", "not layout broadcast and not layout readonly"),
    ),
    Fault(
        name="conv2d_gives_the_bias_of_its_caller_another_shape",
        bug_class=25,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "y += bias[:, None, None]", "bias.shape = (o, 1, 1)\n        y += bias"),),
        spec="conv2d:+bias",
        when=("bias",),
    ),
    # 26, of the forward pass: the last one is left out
    Fault(
        name="conv2d_leaves_out_the_last_image",
        bug_class=26,
        stage="forward",
        depth=1,
        edits=(
            Edit("conv2d", "pixels = image[:, g", "m = max(1, n - 1)\n        pixels = image[:m, g"),
            Edit("conv2d", "y[:, g * og : (g + 1) * og] +=", "y[:m, g * og : (g + 1) * og] +="),
        ),
        spec="conv2d:n2",
        when=("batch > 1",),
    ),
    Fault(
        name="conv2d_leaves_out_the_last_group",
        bug_class=26,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "for g in range(groups):", "for g in range(groups - 1 or 1):"),),
        spec="conv2d:c2o2g2",
        when=("groups > 1",),
    ),
    # 27: what is kept from call to call
    Fault(
        name="conv2d_returns_the_same_buffer_again",
        bug_class=27,
        stage="forward",
        depth=1,
        edits=(
            Edit("conv2d", "groups: int\n", "groups: int, kept: dict = {}\n"),
            Edit(
                "conv2d",
                "y = np.zeros((n, o, oh, ow), x.dtype)",
                "key = (n, o, oh, ow, x.dtype)\n"
                "    y = kept.setdefault(key, np.empty((n, o, oh, ow), x.dtype))\n"
                "    y[...] = 0",
            ),
        ),
        spec="conv2d",
        when=(),
    ),
    Fault(
        name="conv2d_adds_up_in_a_buffer_that_it_does_not_clear",
        bug_class=27,
        stage="forward",
        depth=1,
        edits=(
            Edit("conv2d", "groups: int\n", "groups: int, kept: dict = {}\n"),
            Edit(
                "conv2d",
                "y = np.zeros((n, o, oh, ow), x.dtype)",
                "key = (n, o, oh, ow, x.dtype)\n    y = kept.setdefault(key, np.zeros((n, o, oh, ow), x.dtype))",
            ),
            Edit("conv2d", "return y", "return y.copy()"),
        ),
        spec="conv2d",
        when=(),
    ),
    Fault(
        name="conv2d_pads_in_a_buffer_that_larger_images_have_filled",
        bug_class=27,
        stage="forward",
        depth=1,
        edits=(
            Edit("conv2d", "groups: int\n", "groups: int, kept: dict = {}\n"),
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "shape = np.array((n, c, h + 2 * ph, w + 2 * pw))\n"
                "    if x.dtype not in kept or (shape > kept[x.dtype].shape).any():\n"
                "        kept[x.dtype] = np.zeros(shape, x.dtype)\n"
                "    image = kept[x.dtype][tuple(map(slice, shape))]\n"
                "    image[:, :, ph : ph + h, pw : pw + w] = x",
            ),
        ),
        spec="conv2d:p0x1",
        when=("padding > 0 on either axis",),
    ),
    Fault(
        name="conv2d_steps_as_it_did_the_last_time_at_images_of_the_same_width",
        bug_class=27,
        stage="forward",
        depth=1,
        edits=(
            Edit("conv2d", "groups: int\n", "groups: int, kept: dict = {}\n"),
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                'if kept.get("width") != w:\n'
                "        kept.update(width=w, step=sw)\n"
                '    lefts = np.arange(ow) * kept["step"]\n'
                "    image = padded(x, (ph, pw))",
            ),
            Edit(
                "conv2d",
                ": sh, left : left + (ow - 1) * sw + 1 : sw]",
                ': sh].take(left + lefts, axis=3, mode="wrap")',
            ),
        ),
        spec="conv2d:w2",
        when=("output_w > 1",),
    ),
    # 28: many options must meet
    Fault(
        name="conv2d_scatters_the_outputs_of_groups_that_have_a_stride",
        bug_class=28,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "conv2d",
                "y[:, g * og : (g + 1) * og] +=",
                "found = slice(g, None, groups) if min(stride) > 1 else slice(g * og, (g + 1) * og)\n"
                "                y[:, found] +=",
            ),
        ),
        spec="conv2d:c2o4s2g2",
        when=("stride > 1 on both axes", "groups > 1", "outputs_per_group > 1"),
    ),
    Fault(
        name="conv2d_takes_groups_in_the_batch_for_batches_in_the_groups",
        bug_class=28,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "conv2d",
                "pixels = image[:, g * cg : (g + 1) * cg]",
                "pixels = image[:, g * cg : (g + 1) * cg]\n"
                "        if stride == (1, 1):  # groups beside images\n"
                "            pixels = image.reshape(n * groups, cg, *image.shape[2:])[g * n : (g + 1) * n]",
            ),
        ),
        spec="conv2d:n2c2o2g2",
        when=("stride = 1 on both axes", "batch > 1", "groups > 1"),
    ),
    Fault(
        name="conv2d_takes_the_last_tap_of_three_for_padding",
        bug_class=28,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "conv2d",
                "y[:, g * og : (g + 1) * og] +=",
                "if (kw, sw, pw) == (3, 2, 1) and j == 2:\n"
                "                    patch = patch.copy()\n"
                "                    patch[..., -1] = 0  # it is beyond the image\n"
                "                y[:, g * og : (g + 1) * og] +=",
            ),
        ),
        spec="conv2d:w2k1x3s1x2p0x1",
        when=("kernel_w = 3", "1 < stride_w < kernel_w", "padding_w = 1", "remainder_w > 0"),
    ),
    Fault(
        name="conv2d_transposes_depthwise_kernels_of_3x3_with_a_stride_of_2_in_float32",
        bug_class=28,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "conv2d",
                "filters = weight[g * og : (g + 1) * og]",
                "filters = weight[g * og : (g + 1) * og]\n"
                "        if cg == 1 < groups and kh == kw == 3 and stride == (2, 2) and x.dtype == np.float32:\n"
                "            filters = filters.swapaxes(2, 3)",
            ),
        ),
        spec="conv2d:c2h3w3o2k3s2g2:f32",
        when=("kernel = 3 on both axes", "1 < stride < kernel on both axes", "groups = channels > 1", "dtype f32"),
    ),
    Fault(
        name="conv2d_reshapes_the_matrix_product_of_a_whole_batch",
        bug_class=28,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "conv2d",
                "    if bias is not None:",
                "    if n > 1 and groups == 1 and stride == (1, 1):\n"
                "        y = y.swapaxes(0, 1).reshape(n, o, oh, ow)  # the product has outputs first\n"
                "    if bias is not None:",
            ),
        ),
        spec="conv2d:n2o2",
        when=("stride = 1 on both axes", "batch > 1", "groups = 1", "outputs_per_group > 1"),
    ),
    Fault(
        name="conv2d_adds_the_first_bias_to_all_groups_with_a_stride_and_padding",
        bug_class=28,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "conv2d",
                "y += bias[:, None, None]",
                "fused = groups > 1 and sw > 1 and ph > 0\n"
                "        y += (np.tile(bias[:1], o) if fused else bias)[:, None, None]",
            ),
        ),
        spec="conv2d:c2o2s1x2p1x0g2+bias",
        when=("stride_w > 1", "padding_h > 0", "groups > 1", "bias"),
    ),
    Fault(
        name="conv2d_centres_even_kernels_of_groups_with_stride_dilation_and_padding",
        bug_class=28,
        stage="forward",
        depth=5,
        edits=(
            Edit(
                "conv2d",
                "image = padded(x, (ph, pw))",
                "image = padded(x, (ph, pw))\n"
                "    if groups > 1 and kw % 2 == 0 and sw > 1 and dw > 1 and pw > 0:\n"
                "        image = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw - 1, pw + 1)))",
            ),
        ),
        spec="conv2d:c2o2k1x2s1x2p0x1d1x2g2",
        when=("kernel_w even", "stride_w > 1", "padding_w > 0", "dilation_w > 1", "groups > 1"),
    ),
    Fault(
        name="conv2d_interleaves_groups_of_channels_last_in_float32_with_a_stride",
        bug_class=28,
        stage="forward",
        depth=5,
        edits=(
            Edit(
                "conv2d",
                "pixels = image[:, g * cg : (g + 1) * cg]",
                "pixels = image[:, g * cg : (g + 1) * cg]\n"
                "        if 0 < x.strides[1] < x.strides[3] and sh > 1 and x.dtype == np.float32:\n"
                "            pixels = image[:, g::groups]",
            ),
        ),
        spec="conv2d:c4o2s2x1g2:f32:fortran",
        when=(
            "stride_h > 1",
            "1 < groups < channels",
            "dtype f32",
            "(layout fortran or layout transposed or layout channelslice)",
        ),
    ),
    Fault(
        name="conv2d_rolls_rows_of_float32_round_for_three_taps",
        bug_class=28,
        stage="forward",
        depth=5,
        edits=(
            Edit(
                "conv2d",
                "y[:, g * og : (g + 1) * og] +=",
                "if (kw, sw, pw, dw) == (3, 1, 1, 1) and x.dtype == np.float32:\n"
                "                    rows = pixels[:, :, top : top + (oh - 1) * sh + 1 : sh, 1:-1]\n"
                "                    patch = np.roll(rows, 1 - j, axis=3)\n"
                "                y[:, g * og : (g + 1) * og] +=",
            ),
        ),
        spec="conv2d:k1x3p0x1:f32",
        when=("kernel_w = 3", "stride_w = 1", "padding_w = 1", "dilation_w = 1", "dtype f32"),
    ),
)
