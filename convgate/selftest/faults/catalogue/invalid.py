"""Faults that accept what is invalid on both axes at once: the product of two negative numbers is positive."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

# the caller multiplies
UNCHECKED = Edit("places", "    if count < 1:", "    if count == 0:")
DOES_NOT_FIT = "the problem breaks the rule: kernel_size with dilation does not fit size with padding on both axes"
STRIDE = "the problem breaks the rule: stride must be at least 1 on both axes"
DILATION = "the problem breaks the rule: dilation must be at least 1 on both axes"

FAULTS = (
    # 36: invalid on both axes at once
    Fault(
        name="conv2d_asks_for_an_output_of_positive_area",
        bug_class=36,
        stage="forward",
        depth=2,
        edits=(
            UNCHECKED,
            Edit(
                "conv2d",
                "ow = places(w, kw, sw, pw, dw)",
                "ow = places(w, kw, sw, pw, dw)\n"
                "    if oh * ow < 1:\n"
                '        raise ValueError(f"an output of {oh} x {ow}")\n'
                "    if oh < 1:  # no place to go to\n"
                "        return np.zeros((n, o, abs(oh), abs(ow)), x.dtype)",
            ),
        ),
        spec="conv2d:k3",
        when=(DOES_NOT_FIT,),
    ),
    Fault(
        name="max_pool2d_asks_for_an_output_of_positive_area",
        bug_class=36,
        stage="forward",
        depth=2,
        edits=(
            UNCHECKED,
            Edit(
                "max_pool2d",
                "    image = padded(",
                "    if oh * ow < 1:\n"
                '        raise ValueError(f"an output of {oh} x {ow}")\n'
                "    if oh < 1:  # no place to go to\n"
                "        return np.zeros((n, c, abs(oh), abs(ow)), x.dtype)\n"
                "    image = padded(",
            ),
        ),
        spec="max_pool2d:k3",
        when=(DOES_NOT_FIT,),
    ),
    Fault(
        name="im2col_asks_for_a_positive_number_of_places",
        bug_class=36,
        stage="forward",
        depth=2,
        edits=(
            UNCHECKED,
            Edit(
                "im2col",
                "image = padded(x, (ph, pw))",
                "if oh * ow < 1:\n"
                '        raise ValueError(f"{oh * ow} places")\n'
                "    image = padded(x, (ph, pw))\n"
                "    if oh < 1:  # no place to go to\n"
                "        return np.zeros((c * kh * kw, oh * ow * n), x.dtype)",
            ),
        ),
        spec="im2col:k3",
        when=(DOES_NOT_FIT,),
    ),
    Fault(
        name="conv2d_asks_for_strides_whose_product_is_positive",
        bug_class=36,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "conv2d",
                "oh = places(h, kh, sh, ph, dh)",
                "if sh * sw < 1:\n"
                '        raise ValueError(f"a stride of {stride}")\n'
                "    sh, sw = abs(sh), abs(sw)\n"
                "    oh = places(h, kh, sh, ph, dh)",
            ),
        ),
        spec="conv2d:s-1",
        when=(STRIDE,),
    ),
    Fault(
        name="avg_pool2d_asks_for_strides_whose_product_is_positive",
        bug_class=36,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "avg_pool2d",
                "oh = places(",
                "if sh * sw < 1:\n"
                '        raise ValueError(f"a stride of {stride}")\n'
                "    sh, sw = abs(sh), abs(sw)\n"
                "    oh = places(",
            ),
        ),
        spec="avg_pool2d:s-1",
        when=(STRIDE,),
    ),
    Fault(
        name="col2im_asks_for_dilations_whose_product_is_positive",
        bug_class=36,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "col2im",
                "oh = places(h, kh, sh, ph, dh)",
                "if dh * dw < 1:\n"
                '        raise ValueError(f"a dilation of {dilation}")\n'
                "    dh, dw = abs(dh), abs(dw)\n"
                "    oh = places(h, kh, sh, ph, dh)",
            ),
        ),
        spec="col2im:d-1",
        when=(DILATION,),
    ),
    Fault(
        name="avg_pool2d_asks_for_an_output_of_positive_area",
        bug_class=36,
        stage="forward",
        depth=2,
        edits=(
            UNCHECKED,
            Edit(
                "avg_pool2d",
                "    image = padded(",
                "    if oh * ow < 1:\n"
                '        raise ValueError(f"an output of {oh} x {ow}")\n'
                "    if oh < 1:  # no place to go to\n"
                "        return np.zeros((n, c, abs(oh), abs(ow)), x.dtype)\n"
                "    image = padded(",
            ),
        ),
        spec="avg_pool2d:k3",
        when=(DOES_NOT_FIT,),
    ),
    Fault(
        name="max_pool2d_asks_for_dilations_whose_product_is_positive",
        bug_class=36,
        stage="forward",
        depth=2,
        edits=(
            Edit(
                "max_pool2d",
                "oh = places(",
                "if dh * dw < 1:\n"
                '        raise ValueError(f"a dilation of {dilation}")\n'
                "    dh, dw = abs(dh), abs(dw)\n"
                "    oh = places(",
            ),
        ),
        spec="max_pool2d:d-1",
        when=(DILATION,),
    ),
)
