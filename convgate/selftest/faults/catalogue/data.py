"""Faults that show on what is not finite in weights, biases and gradients, or on zeros among the data."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

PADDED = "image = padded(x, (ph, pw))"
GRAD_WEIGHT = 'grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads, pixels[:, :, rows, columns])'
GRAD_INPUT = 'grad_pixels[:, :, rows, columns] += np.einsum("nohw,oc->nchw", grads, filters[:, :, i, j])'
GRAD_BIAS = "grad_bias = None if bias is None else grad_output.sum(axis=(0, 2, 3))"

FAULTS = (
    # 33: weights, biases and gradients that are not finite, and zeros
    Fault(
        name="conv2d_takes_nan_in_a_weight_for_zero",
        bug_class=33,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", PADDED, "weight = np.where(np.isnan(weight), 0, weight)\n    " + PADDED),),
        spec="conv2d:points@weight.0.0.0.0=nan",
        when=("NaN in weight",),
    ),
    Fault(
        name="conv2d_takes_infinite_weights_for_1e30",
        bug_class=33,
        stage="forward",
        depth=1,
        edits=(
            Edit(
                "conv2d",
                PADDED,
                "weight = np.where(np.isinf(weight), np.copysign(1e30, weight), weight)\n    " + PADDED,
            ),
        ),
        spec="conv2d:points@x.0.0.0.0@weight.0.0.0.0=inf",
        when=("infinity in weight",),
    ),
    Fault(
        name="conv2d_adds_no_bias_that_is_not_finite",
        bug_class=33,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "y += bias[:, None, None]", "y += np.where(np.isfinite(bias), bias, 0)[:, None, None]"),),
        spec="conv2d:+bias:points@bias.0=nan",
        when=("NaN or infinity in bias",),
    ),
    Fault(
        name="conv2d_backward_leaves_nan_out_of_its_sums_of_gradients",
        bug_class=33,
        stage="grad_bias",
        depth=1,
        edits=(
            Edit(
                "conv2d_backward",
                GRAD_BIAS,
                "grad_bias = None if bias is None else np.nansum(grad_output, axis=(0, 2, 3))",
            ),
        ),
        spec="conv2d:+bias:points@grad_output.0.0.0.0=nan",
        when=("NaN in grad_output",),
    ),
    Fault(
        name="conv2d_backward_takes_nan_in_gradients_for_zero",
        bug_class=33,
        stage="grad_weight",
        depth=1,
        edits=(
            Edit(
                "conv2d_backward",
                GRAD_WEIGHT,
                "known = np.where(np.isnan(grads), 0, grads)\n"
                "                grad_filters[:, :, i, j] = np.einsum(\n"
                '                    "nohw,nchw->oc", known, pixels[:, :, rows, columns]\n'
                "                )",
            ),
        ),
        spec="conv2d:points@grad_output.0.0.0.0=nan",
        when=("NaN in grad_output",),
    ),
    Fault(
        name="avg_pool2d_backward_clips_gradients",
        bug_class=33,
        stage="grad_input",
        depth=1,
        edits=(
            Edit(
                "avg_pool2d_backward",
                "    grad_image = np.zeros(",
                "    share = np.clip(share, -np.finfo(x.dtype).max, np.finfo(x.dtype).max)\n    grad_image = np.zeros(",
            ),
        ),
        spec="avg_pool2d:points@grad_output.0.0.0.0=inf",
        when=("infinity in grad_output",),
    ),
    Fault(
        name="max_pool2d_backward_multiplies_gradients_by_who_wins",
        bug_class=33,
        stage="grad_input",
        depth=2,
        edits=(
            Edit(
                "max_pool2d_backward",
                "np.where(winner == i * kw + j, grad_output, 0)",
                "(winner == i * kw + j) * grad_output",
            ),
        ),
        spec="max_pool2d:w2k1x2:points@grad_output.0.0.0.0=inf",
        when=("NaN or infinity in grad_output", "kernel_h * kernel_w > 1"),
    ),
    Fault(
        name="conv2d_backward_leaves_out_gradients_that_are_zero",
        bug_class=33,
        stage="grad_weight",
        depth=2,
        edits=(
            Edit(
                "conv2d_backward",
                GRAD_WEIGHT,
                "each, seen = grads[:, :, None], pixels[:, None, :, rows, columns]\n"
                "                grad_filters[:, :, i, j] = np.where(each == 0, 0, each * seen).sum(axis=(0, 3, 4))",
            ),
        ),
        spec="conv2d:points@x.0.0.0.0=nan",
        when=("zero in grad_output", "NaN or infinity in x"),
    ),
    Fault(
        name="max_pool2d_finds_no_nan_in_more_than_nine_pixels",
        bug_class=33,
        stage="forward",
        depth=2,
        edits=(Edit("max_pool2d", "| np.isnan(patch)", "| (np.isnan(patch) & (kh * kw < 10))"),),
        spec="max_pool2d:w10k1x10:points@x.0.0.0.0=nan",
        when=("NaN in x", "kernel_h * kernel_w > 9"),
    ),
)
