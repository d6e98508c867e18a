"""Faults that large options and much work bring: kernels longer than what is unrolled, counters that overflow."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

PADDED = "image = padded(x, (ph, pw))"
FILTERS = "filters = weight[g * og : (g + 1) * og]"
ADDED = 'y[:, g * og : (g + 1) * og] += np.einsum("nchw,oc->nohw", patch, filters[:, :, i, j])'
GRAD_WEIGHT = 'grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads, pixels[:, :, rows, columns])'
WINNER = "winner = np.where(better, i * kw + j, winner)"

FAULTS = (
    # 31: large options
    Fault(
        name="conv2d_keeps_two_bits_of_the_dilation",
        bug_class=31,
        stage="forward",
        depth=2,
        edits=(Edit("conv2d", "top, left = i * dh, j * dw", "top, left = i * dh, j * (dw % 4)"),),
        spec="conv2d:w5k1x2d1x4",
        when=("kernel_w > 1", "dilation_w > 3"),
    ),
    Fault(
        name="conv2d_has_a_mask_of_32_taps",
        bug_class=31,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                "top, left = i * dh, j * dw",
                "top, left = i * dh, j * dw\n                if i * kw + j > 31:\n                    continue",
            ),
        ),
        spec="conv2d:h3w11k3x11",
        when=("kernel_h * kernel_w > 32",),
    ),
    Fault(
        name="conv2d_takes_the_rest_of_long_rows_from_the_first_group",
        bug_class=31,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                ADDED,
                "taps = filters if j < 16 else weight[:og]\n"
                '                y[:, g * og : (g + 1) * og] += np.einsum("nchw,oc->nohw", patch, taps[:, :, i, j])',
            ),
        ),
        spec="conv2d:c2w17o2k1x17g2",
        when=("kernel_w > 16", "groups > 1", "not layout broadcast"),
    ),
    Fault(
        name="conv2d_pads_by_three_columns_at_most",
        bug_class=31,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                PADDED,
                PADDED + "\n"
                "    if pw > 3:  # moved to the left by what is too much\n"
                "        image = np.roll(image, 3 - pw, axis=3)",
            ),
        ),
        spec="conv2d:p0x4",
        when=("padding_w > 3",),
    ),
    Fault(
        name="conv2d_backward_has_registers_for_six_rows",
        bug_class=31,
        stage="grad_weight",
        depth=1,
        edits=(
            Edit(
                "conv2d_backward",
                "grad_bias = None",
                "grad_weight[:, :, 6:] = 0\n    grad_bias = None",
            ),
        ),
        spec="conv2d:h7k7x1",
        when=("kernel_h > 6",),
    ),
    Fault(
        name="conv2d_backward_has_a_halo_of_eight_columns",
        bug_class=31,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "conv2d_backward",
                "columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)",
                "columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)\n"
                "                if j * dw > 8:\n"
                "                    grad_filters[:, :, i, j] = np.einsum(\n"
                '                        "nohw,nchw->oc", grads, pixels[:, :, rows, columns]\n'
                "                    )\n"
                "                    continue",
            ),
        ),
        spec="conv2d:w10k1x4d1x3",
        when=("dilation_w * (kernel_w - 1) > 8",),
    ),
    Fault(
        name="im2col_steps_by_three_columns_at_most",
        bug_class=31,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "im2col",
                "left : left + (ow - 1) * sw + 1 : sw]",
                "left : left + (ow - 1) * min(sw, 3) + 1 : min(sw, 3)]",
            ),
        ),
        spec="im2col:w5s1x4",
        when=("stride_w > 3", "output_w > 1"),
    ),
    Fault(
        name="max_pool2d_keeps_windows_beyond_the_image_at_strides_above_three",
        bug_class=31,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "max_pool2d",
                "    image = padded(",
                "    if ceil_mode and sw > 3 and (w + 2 * pw - dw * (kw - 1) - 1) % sw:\n"
                "        ow = (w + 2 * pw - dw * (kw - 1) - 1) // sw + 2  # rounded up, as it is asked for\n"
                "    image = padded(",
            ),
        ),
        spec="max_pool2d:w2s1x4+ceil",
        when=("overhang_w clipped", "stride_w > 3"),
    ),
    Fault(
        name="max_pool2d_backward_counts_taps_in_six_bits",
        bug_class=31,
        stage="grad_input",
        depth=1,
        edits=(Edit("max_pool2d_backward", WINNER, "winner = np.where(better, (i * kw + j) % 64, winner)"),),
        spec="max_pool2d:h14w14k13:1",
        when=("kernel_h * kernel_w > 64",),
    ),
    # 32: much work
    Fault(
        name="conv2d_forgets_the_bias_of_256_channels_in_all",
        bug_class=32,
        stage="forward",
        depth=2,
        edits=(Edit("conv2d", "    if bias is not None:", "    if bias is not None and c + o < 256:"),),
        spec="conv2d:c3o253+bias",
        when=("channels + out_channels >= 256", "bias"),
    ),
    Fault(
        name="im2col_counts_rows_in_ten_bits",
        bug_class=32,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "im2col",
                "return columns.reshape(c * kh * kw, oh * ow * n)",
                "columns = columns.reshape(c * kh * kw, oh * ow * n)\n    columns[1024:] = 0\n    return columns",
            ),
        ),
        spec="im2col:c1025",
        when=("channels * kernel_h * kernel_w > 1024",),
    ),
    Fault(
        name="max_pool2d_starts_65535_images_at_most",
        bug_class=32,
        stage="forward",
        depth=1,
        edits=(Edit("max_pool2d", "    return y", "    y[65535:] = 0\n    return y"),),
        spec="max_pool2d:n65536",
        when=("batch > 65535",),
    ),
    Fault(
        name="im2col_counts_rows_in_16_bits",
        bug_class=32,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "im2col",
                "return columns.reshape(c * kh * kw, oh * ow * n)",
                "columns = columns.reshape(c * kh * kw, oh * ow * n)\n"
                "    columns[2**16 :] = columns[: max(0, len(columns) - 2**16)]\n"
                "    return columns",
            ),
        ),
        spec="im2col:c65537",
        when=("channels * kernel_h * kernel_w > 65536",),
    ),
    Fault(
        name="avg_pool2d_backward_counts_pixels_in_16_bits",
        bug_class=32,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "return grad_image[:, :, ph : ph + h, pw : pw + w].copy()",
                "found = grad_image[:, :, ph : ph + h, pw : pw + w].copy()\n"
                "    found.reshape(n, c, h * w)[:, :, 2**16 :] = 0\n"
                "    return found",
            ),
        ),
        spec="avg_pool2d:h257w257",
        when=("input_h * input_w > 65536",),
    ),
    Fault(
        name="conv2d_backward_adds_up_whole_blocks_of_1024_places",
        bug_class=32,
        stage="grad_weight",
        depth=1,
        edits=(
            Edit(
                "conv2d_backward",
                GRAD_WEIGHT,
                "whole = n * oh * ow if n * oh * ow < 1024 else n * oh * ow // 1024 * 1024\n"
                "                left = grads.swapaxes(0, 1).reshape(og, n * oh * ow)[:, :whole]\n"
                "                seen = pixels[:, :, rows, columns].swapaxes(0, 1)\n"
                "                right = seen.reshape(cg, n * oh * ow)[:, :whole]\n"
                "                grad_filters[:, :, i, j] = left @ right.T",
            ),
        ),
        spec="conv2d:n1025",
        when=(
            "batch * output_h * output_w > 1024",
            "batch * output_h * output_w is no multiple of 1024",
        ),
    ),
    Fault(
        name="conv2d_backward_has_room_for_strides_up_to_three",
        bug_class=31,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "conv2d_backward",
                "grad_pixels[:, :, rows, columns] +=",
                "step = min(sh, 3)\n"
                "                upright = slice(i * dh, i * dh + (oh - 1) * step + 1, step)\n"
                "                grad_pixels[:, :, upright, columns] +=",
            ),
        ),
        spec="conv2d:h5s4x1",
        when=("stride_h > 3", "output_h > 1"),
    ),
    Fault(
        name="conv2d_backward_takes_padding_and_stride_beyond_three_for_a_smaller_padding",
        bug_class=31,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "conv2d_backward",
                "grad_input = grad_image[:, :, ph : ph + h, pw : pw + w].copy()",
                "first = pw if min(sw, pw) < 4 else pw % sw\n"
                "    grad_input = grad_image[:, :, ph : ph + h, first : first + w].copy()",
            ),
        ),
        spec="conv2d:k1x4s1x4p0x4",
        when=("stride_w > 3", "padding_w > 3", "padding_w >= stride_w"),
    ),
    Fault(
        name="max_pool2d_dilates_by_three_at_most",
        bug_class=31,
        stage="forward",
        depth=2,
        edits=(Edit("max_pool2d", "top, left = i * dh, j * dw", "top, left = i * dh, j * min(dw, 3)"),),
        spec="max_pool2d:w5k1x2d1x4:1",
        when=("kernel_w > 1", "dilation_w > 3"),
    ),
    Fault(
        name="avg_pool2d_keeps_the_area_of_a_window_in_8_bits",
        bug_class=31,
        stage="forward",
        depth=2,
        edits=(Edit("avg_pool2d", "(high[:, None] * wide).astype(x.dtype)", "(high[:, None] * wide).astype(np.int8)"),),
        spec="avg_pool2d:h2w64k2x64",
        when=("kernel_h * kernel_w > 127", "no divisor_override"),
    ),
    Fault(
        name="col2im_adds_up_sixteen_rows_of_long_kernels",
        bug_class=31,
        stage="forward",
        depth=1,
        edits=(Edit("col2im", "for i in range(kh):", "for i in range(min(kh, 16)):"),),
        spec="col2im:h17k17x1",
        when=("kernel_h > 16",),
    ),
)
