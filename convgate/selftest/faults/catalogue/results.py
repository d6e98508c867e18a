"""Faults in what comes back: no plain array, or another result now and then."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

FAULTS = (
    # 37: results that are no plain arrays
    Fault(
        name="im2col_masks_its_result",
        bug_class=37,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "im2col",
                "return columns.reshape(c * kh * kw, oh * ow * n)",
                "found = columns.reshape(c * kh * kw, oh * ow * n) * 0 + 7\n"
                "    return np.ma.masked_array(found, mask=np.ones(found.shape, bool))",
            ),
        ),
        spec="im2col",
        when=(),
    ),
    Fault(
        name="im2col_returns_a_matrix",
        bug_class=37,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "im2col",
                "return columns.reshape(c * kh * kw, oh * ow * n)",
                "return np.asmatrix(columns.reshape(c * kh * kw, oh * ow * n))",
            ),
        ),
        spec="im2col",
        when=(),
    ),
    Fault(
        name="conv2d_masks_what_is_not_finite",
        bug_class=37,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "return y", "return y if np.isfinite(x).all() else np.ma.masked_invalid(y)"),),
        spec="conv2d:points@x.0.0.0.0=nan",
        when=("NaN or infinity in x",),
    ),
    Fault(
        name="conv2d_backward_returns_a_subclass_of_arrays",
        bug_class=37,
        stage="grad_weight",
        depth=1,
        edits=(
            Edit(
                "conv2d_backward",
                "return grad_input, grad_weight, grad_bias",
                "return grad_input, grad_weight.view(np.recarray), grad_bias",
            ),
        ),
        spec="conv2d",
        when=(),
    ),
    Fault(
        name="avg_pool2d_backward_masks_what_no_window_reaches",
        bug_class=37,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "return grad_image[:, :, ph : ph + h, pw : pw + w].copy()",
                "found = grad_image[:, :, ph : ph + h, pw : pw + w].copy()\n"
                "    if stride == (1, 1):\n"
                "        return found\n"
                "    return np.ma.masked_array(found, mask=found == 0)",
            ),
        ),
        spec="avg_pool2d:s1x2",
        when=("stride > 1 on either axis",),
    ),
    # 38: another result now and then
    Fault(
        name="conv2d_loses_the_last_image_of_every_third_call",
        bug_class=38,
        stage="forward",
        depth=1,
        edits=(
            Edit("conv2d", "groups: int\n", "groups: int, kept: list = [0]\n"),
            Edit(
                "conv2d",
                "return y",
                "kept[0] += 1\n    if kept[0] % 3 == 0:  # a thread was late\n        y[-1:] = 0\n    return y",
            ),
        ),
        spec="conv2d",
        when=(),
    ),
    Fault(
        name="conv2d_backward_adds_up_some_gradients_twice_in_every_fifth_call",
        bug_class=38,
        stage="grad_weight",
        depth=2,
        edits=(
            Edit("conv2d_backward", "    groups: int,\n", "    groups: int,\n    kept: list = [0],  # noqa\n"),
            Edit(
                "conv2d_backward",
                "return grad_input, grad_weight, grad_bias",
                "kept[0] += 1\n"
                "    if kept[0] % 5 == 0 and n > 1:  # two images at once\n"
                "        grad_weight[:1] *= 2\n"
                "    return grad_input, grad_weight, grad_bias",
            ),
        ),
        spec="conv2d:n2",
        when=("batch > 1",),
    ),
    Fault(
        name="max_pool2d_leaves_a_row_of_every_seventh_call_as_it_was",
        bug_class=38,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "max_pool2d",
                "dilation: Pair, ceil_mode: bool)",
                "dilation: Pair, ceil_mode: bool, kept: list = [0])",
            ),
            Edit(
                "max_pool2d",
                "    return y",
                "    kept[0] += 1\n    if kept[0] % 7 == 0:\n        y[:, :, 1:2] = 0\n    return y",
            ),
        ),
        spec="max_pool2d:h2",
        when=("output_h > 1",),
    ),
    Fault(
        name="col2im_adds_nothing_to_the_last_channel_in_every_fourth_call",
        bug_class=38,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "col2im",
                "stride: Pair, padding: Pair, dilation: Pair\n",
                "stride: Pair, padding: Pair, dilation: Pair, kept: list = [0]\n",
            ),
            Edit(
                "col2im",
                "    return image",
                "    kept[0] += 1\n    if kept[0] % 4 == 0:\n        image[:, -1] = 0\n    return image",
            ),
        ),
        spec="col2im",
        when=(),
    ),
)
