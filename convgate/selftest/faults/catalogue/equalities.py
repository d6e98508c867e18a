"""Faults that look at the height alone where most options are equal, or take what is equal for the same."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

PADDED = "image = padded(x, (ph, pw))"

FAULTS = (
    # 35: options taken for equal
    Fault(
        name="conv2d_makes_square_images_of_square_ones_whatever_the_stride",
        bug_class=35,
        stage="forward",
        depth=5,
        edits=(
            Edit(
                "conv2d",
                "ow = places(w, kw, sw, pw, dw)",
                "ow = oh if (h, kh, ph, dh) == (w, kw, pw, dw) else places(w, kw, sw, pw, dw)",
            ),
        ),
        spec="conv2d:h2w2s1x2",
        when=(
            "input_h = input_w",
            "kernel_h = kernel_w",
            "padding_h = padding_w",
            "dilation_h = dilation_w",
            "output_h != output_w",
        ),
    ),
    Fault(
        name="conv2d_pads_square_images_alike",
        bug_class=35,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "conv2d",
                PADDED,
                PADDED + "\n"
                "    if (h, kh, sh, dh) == (w, kw, sw, dw):  # then the padding is the same as well\n"
                "        image = np.roll(image, ph - pw, axis=3)",
            ),
        ),
        spec="conv2d:p0x1",
        when=(
            "input_h = input_w",
            "kernel_h = kernel_w",
            "stride_h = stride_w",
            "dilation_h = dilation_w",
            "padding_h != padding_w",
        ),
    ),
    Fault(
        name="conv2d_dilates_square_kernels_alike",
        bug_class=35,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "conv2d",
                "top, left = i * dh, j * dw",
                "top, left = i * dh, j * (min(dilation) if (kh, sh, ph) == (kw, sw, pw) else dw)",
            ),
        ),
        spec="conv2d:w3h2k2d1x2",
        when=(
            "kernel_h = kernel_w",
            "kernel_w > 1",
            "stride_h = stride_w",
            "padding_h = padding_w",
            "dilation_h < dilation_w",
        ),
    ),
    Fault(
        name="conv2d_takes_one_pixel_with_padding_for_a_vector",
        bug_class=35,
        stage="forward",
        depth=3,
        edits=(
            Edit(
                "conv2d",
                "    if bias is not None:",
                "    if h == w == 1 and (kh, kw) == (3, 3) and oh == ow == 1:  # one tap sees it\n"
                '        y = np.einsum("nc,oc->no", x[:, :cg, 0, 0], weight[:, :, 1, 1])[:, :, None, None]\n'
                "    if bias is not None:",
            ),
        ),
        spec="conv2d:c2o2k3p1g2",
        when=(
            "input = 1 on both axes",
            "kernel = 3 on both axes",
            "output = 1 on both axes",
            "padding = dilation on both axes",
            "groups > 1",
        ),
    ),
    Fault(
        name="avg_pool2d_takes_one_stride_for_square_images_and_kernels",
        bug_class=35,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "avg_pool2d",
                "    if divisor_override is not None:",
                "    if (h, kh, ph) == (w, kw, pw) and oh > 1:\n"
                "        rows = y[:, :, :: max(1, sw // sh)][:, :, :oh]\n"
                "        y[:, :, : rows.shape[2]] = rows.copy()\n"
                "    if divisor_override is not None:",
            ),
        ),
        spec="avg_pool2d:h4w4s1x2",
        when=(
            "input_h = input_w",
            "kernel_h = kernel_w",
            "padding_h = padding_w",
            "stride_w // stride_h > 1",
            "output_h > stride_w // stride_h",
        ),
    ),
    Fault(
        name="im2col_takes_as_many_images_as_channels_for_channels",
        bug_class=35,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "im2col",
                PADDED,
                PADDED + "\n    if n == c:\n        image = image.swapaxes(0, 1)",
            ),
        ),
        spec="im2col:n2c2",
        when=("batch = channels", "channels > 1"),
    ),
    Fault(
        name="avg_pool2d_backward_makes_square_gradients_of_square_images_and_kernels",
        bug_class=35,
        stage="grad_input",
        depth=4,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "ow = places(w, kw, sw, pw, 1, ceil_mode=ceil_mode)",
                "ow = oh if (h, kh, sh) == (w, kw, sw) else places(w, kw, sw, pw, 1, ceil_mode=ceil_mode)",
            ),
        ),
        spec="avg_pool2d:h2w2k2p0x1",
        when=("input_h = input_w", "kernel_h = kernel_w", "stride_h = stride_w", "output_h != output_w"),
    ),
    Fault(
        name="max_pool2d_takes_the_height_of_windows_for_their_width_where_all_else_is_equal",
        bug_class=35,
        stage="forward",
        depth=4,
        edits=(
            Edit(
                "max_pool2d",
                "for j in range(kw):",
                "for j in range(min(kh, kw) if (h, sh, ph, dh) == (w, sw, pw, dw) else kw):",
            ),
        ),
        spec="max_pool2d:h2w2k1x2:1",
        when=(
            "input_h = input_w",
            "stride_h = stride_w",
            "padding_h = padding_w",
            "dilation_h = dilation_w",
            "kernel_h < kernel_w",
        ),
    ),
)
