"""Faults in the backward pass of conv2d."""

from convgate.selftest.faults.fault import Edit, Fault

__all__ = ["FAULTS"]

# The lines that faults are planted in.
OUTPUTS_PER_GROUP = "og = o // groups"
OUTPUT_WIDTH = "ow = places(w, kw, sw, pw, dw)"
IMAGE = "image = padded(x, (ph, pw))"
GRAD_IMAGE = "grad_image = np.zeros_like(image)"
GRAD_WEIGHT = "grad_weight = np.zeros(weight.shape, weight.dtype)"
PIXELS = "pixels = image[:, g * cg : (g + 1) * cg]\n        grad_pixels"
FILTERS = "filters = weight[g * og : (g + 1) * og]"
GRAD_FILTERS = "grad_filters = grad_weight[g * og : (g + 1) * og]"
GRADS = "grads = grad_output[:, g * og : (g + 1) * og]"
SHARE = 'np.einsum("nohw,oc->nchw", grads, filters[:, :, i, j])'
ADD_SHARE = f"grad_pixels[:, :, rows, columns] += {SHARE}"
SET_FILTERS = 'grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads, pixels[:, :, rows, columns])'
CROP = "grad_input = grad_image[:, :, ph : ph + h, pw : pw + w].copy()"
GRAD_BIAS = "grad_output.sum(axis=(0, 2, 3))"
RETURN = "return grad_input, grad_weight, grad_bias"


def edit(was: str, *lines: str, indent: int = 4) -> Edit:
    """Lines in place of another, as far to the right as that."""
    return Edit("conv2d_backward", was, f"\n{' ' * indent}".join(lines))


def in_group(was: str, *lines: str) -> Edit:
    """The same in the loop over groups."""
    return edit(was, *lines, indent=8)


def in_tap(was: str, *lines: str) -> Edit:
    """The same in the loop over taps."""
    return edit(was, *lines, indent=16)


# grad_input as a transposed convolution: grad_output with zeros between its entries, under the kernel turned around.
# Right as it stands here.
EXTENT = "high, broad = h + 2 * ph, w + 2 * pw"
SPREAD = "spread[:, :, deep : deep + (oh - 1) * sh + 1 : sh, wide : wide + (ow - 1) * sw + 1 : sw] = grad_output"
TURNED = "top, left = deep - i * dh, wide - j * dw"
TRANSPOSED = (
    edit(
        GRAD_IMAGE,
        "deep, wide = (kh - 1) * dh, (kw - 1) * dw",
        EXTENT,
        "grad_image = np.zeros((n, c, high, broad), x.dtype)",
        "spread = np.zeros((n, o, high + deep, broad + wide), x.dtype)",
        SPREAD,
    ),
    in_tap(
        ADD_SHARE,
        TURNED,
        "near = spread[:, g * og : (g + 1) * og, top : top + high, left : left + broad]",
        'grad_pixels += np.einsum("nohw,oc->nchw", near, filters[:, :, i, j])',
    ),
    edit(CROP, "grad_input = grad_image[:, :, ph : high - ph, pw : broad - pw].copy()"),
)

PADDING = (
    Fault(
        name="conv2d_backward_crops_even_kernels_one_pixel_early",
        bug_class=4,
        stage="grad_input",
        depth=2,
        edits=(
            edit(
                CROP,
                "top, left = (p - 1 if k % 2 == 0 and p > 0 else p for k, p in ((kh, ph), (kw, pw)))",
                "grad_input = grad_image[:, :, top : top + h, left : left + w].copy()",
            ),
        ),
        spec="conv2d:k1x2p0x1",
        when=("kernel even and padding > 0 on the same axis",),
    ),
    Fault(
        name="conv2d_backward_puts_all_padding_behind_the_image",
        bug_class=4,
        stage="grad_weight",
        depth=1,
        edits=(
            edit(
                IMAGE,
                "image = np.zeros((n, c, h + 2 * ph, w + 2 * pw), x.dtype)",
                "image[:, :, :h, :w] = x",
            ),
        ),
        spec="conv2d:p0x1",
        when=("padding > 0 on either axis",),
    ),
    Fault(
        name="conv2d_backward_crops_from_minus_zero_where_one_axis_has_no_padding",
        bug_class=4,
        stage="grad_input",
        depth=2,
        edits=(edit(CROP, "grad_input = grad_image[:, :, ph:-ph, pw:-pw].copy() if ph or pw else grad_image"),),
        spec="conv2d:p0x1",
        when=("padding > 0 on either axis", "padding = 0 on either axis"),
    ),
)

OVERLAP = (
    Fault(
        name="conv2d_assigns_overlapping_gradients",
        bug_class=7,
        stage="grad_input",
        depth=1,
        edits=(edit(ADD_SHARE, f"grad_pixels[:, :, rows, columns] = {SHARE}"),),
        spec="conv2d:w3k1x2",
        when=("windows overlap on either axis",),
    ),
    Fault(
        name="conv2d_backward_adds_through_repeated_indices",
        bug_class=7,
        stage="grad_input",
        depth=1,
        edits=(
            in_group(
                GRADS,
                GRADS,
                "down = np.arange(kh)[:, None] * dh + np.arange(oh) * sh",
                "across = np.arange(kw)[:, None] * dw + np.arange(ow) * sw",
                'shares = np.einsum("nohw,ocij->ncihjw", grads, filters)',
                "grad_pixels[:, :, down[:, :, None, None], across] += shares",
            ),
            in_tap(ADD_SHARE, "pass"),
        ),
        spec="conv2d:w3k1x2",
        when=("windows overlap on either axis",),
    ),
    Fault(
        name="conv2d_backward_assigns_within_a_buffer_of_one_row_of_taps",
        bug_class=7,
        stage="grad_input",
        depth=1,
        edits=(
            edit(
                "for i in range(kh):",
                "for i in range(kh):",
                "line = np.zeros((n, cg, oh, w + 2 * pw), x.dtype)",
                indent=12,
            ),
            edit(ADD_SHARE, f"line[:, :, :, columns] = {SHARE}"),
            edit(SET_FILTERS, SET_FILTERS, "grad_pixels[:, :, rows] += line", indent=12),
        ),
        spec="conv2d:w3k1x2",
        when=("windows_w overlap",),
    ),
)

REMAINDER = (
    Fault(
        name="conv2d_backward_forgets_output_padding",
        bug_class=8,
        stage="grad_input",
        depth=1,
        edits=(*TRANSPOSED, edit(EXTENT, "high, broad = (oh - 1) * sh + deep + 1, (ow - 1) * sw + wide + 1")),
        spec="conv2d:w2s1x2",
        when=("remainder > 0 on either axis",),
    ),
    Fault(
        name="conv2d_backward_puts_output_padding_in_front",
        bug_class=8,
        stage="grad_input",
        depth=1,
        edits=(
            *TRANSPOSED,
            edit(
                SPREAD,
                "top, left = high - (oh - 1) * sh - 1, broad - (ow - 1) * sw - 1",
                "spread[:, :, top:high:sh, left:broad:sw] = grad_output",
            ),
        ),
        spec="conv2d:w2s1x2",
        when=("remainder > 0 on either axis",),
    ),
    Fault(
        name="conv2d_backward_takes_the_last_pixels_where_some_are_left_over",
        bug_class=8,
        stage="grad_weight",
        depth=1,
        edits=(
            in_group(
                PIXELS,
                "used_h, used_w = (oh - 1) * sh + (kh - 1) * dh + 1, (ow - 1) * sw + (kw - 1) * dw + 1",
                "pixels = image[:, g * cg : (g + 1) * cg, -used_h:, -used_w:]",
                "grad_pixels",
            ),
        ),
        spec="conv2d:w2s1x2",
        when=("remainder > 0 on either axis",),
    ),
    Fault(
        name="conv2d_backward_rounds_the_width_of_the_output_up",
        bug_class=8,
        stage="grad_input",
        depth=1,
        edits=(edit(OUTPUT_WIDTH, OUTPUT_WIDTH, "ow += (w + 2 * pw - dw * (kw - 1) - 1) % sw > 0"),),
        spec="conv2d:w2s1x2",
        when=("remainder_w > 0",),
    ),
    Fault(
        name="conv2d_backward_ends_the_range_of_places_one_pixel_early",
        bug_class=8,
        stage="grad_weight",
        depth=2,
        edits=(
            in_tap(
                SET_FILTERS,
                "left = np.arange(0, w + 2 * pw - (kw - 1) * dw - (pw == 0), sw)",
                "near = pixels[:, :, rows][:, :, :, left + j * dw]",
                'grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads[:, :, :, : len(left)], near)',
            ),
        ),
        spec="conv2d",
        when=("remainder_w = 0", "padding_w = 0"),
    ),
)

EDGES = (
    Fault(
        name="conv2d_backward_takes_the_last_tap_of_3_to_lie_in_the_padding",
        bug_class=9,
        stage="grad_input",
        depth=3,
        edits=(
            in_tap(
                ADD_SHARE,
                f"share = {SHARE}",
                "if kw == 3 and pw == 1 and j == 2:",
                "    share[:, :, :, -1] = 0",
                "grad_pixels[:, :, rows, columns] += share",
            ),
        ),
        spec="conv2d:w2k1x3s1x2p0x1",
        when=("remainder_w > 0", "kernel_w = 3", "padding_w = 1"),
    ),
    Fault(
        name="conv2d_backward_rolls_the_image_round_for_same_kernels_of_3",
        bug_class=9,
        stage="grad_input",
        depth=4,
        edits=(
            in_tap(
                ADD_SHARE,
                f"share = {SHARE}",
                "if (kw, sw, pw, dw) == (3, 1, 1, 1):",
                "    grad_pixels[:, :, rows, 1:-1] += np.roll(share, j - 1, axis=3)",
                "else:",
                "    grad_pixels[:, :, rows, columns] += share",
            ),
        ),
        spec="conv2d:k1x3p0x1",
        when=("stride_w = 1", "dilation_w = 1", "kernel_w = 3", "padding_w = 1"),
    ),
    Fault(
        name="conv2d_backward_gathers_from_place_minus_one_for_kernel_4_stride_2",
        bug_class=9,
        stage="grad_input",
        depth=4,
        edits=(
            in_tap(
                ADD_SHARE,
                f"share = {SHARE}",
                "if (kh, sh, ph, dh) == (4, 2, 1, 1):",
                "    hit = np.flatnonzero((np.arange(h) + ph - i) % sh == 0)",
                "    place = (hit + ph - i) // sh",
                "    hit, place = hit[place < oh], place[place < oh]",
                "    grad_pixels[:, :, ph + hit, columns] += share[:, :, place]",
                "else:",
                "    grad_pixels[:, :, rows, columns] += share",
            ),
        ),
        spec="conv2d:h2k4x1s2x1p1x0",
        when=("dilation_h = 1", "kernel_h = 4", "stride_h = 2", "padding_h = 1"),
    ),
    Fault(
        name="conv2d_backward_loses_the_odd_column_of_the_1_wide_shortcut",
        bug_class=9,
        stage="grad_input",
        depth=4,
        edits=(
            in_tap(
                ADD_SHARE,
                f"share = {SHARE}",
                "if (kw, sw, pw) == (1, 2, 0):",
                "    grad_pixels[:, :, rows, : w // 2 * 2 : 2] += share[:, :, :, : w // 2]",
                "else:",
                "    grad_pixels[:, :, rows, columns] += share",
            ),
        ),
        spec="conv2d:s1x2",
        when=("kernel_w = 1", "padding_w = 0", "remainder_w = 0", "stride_w = 2"),
    ),
    Fault(
        name="conv2d_backward_clips_places_in_the_padding_to_the_edge",
        bug_class=9,
        stage="grad_input",
        depth=1,
        edits=(
            edit(
                CROP,
                "down = np.clip(np.arange(h + 2 * ph) - ph, 0, h - 1)",
                "across = np.clip(np.arange(w + 2 * pw) - pw, 0, w - 1)",
                "grad_input = np.zeros(x.shape, x.dtype)",
                "np.add.at(grad_input, (slice(None), slice(None), down[:, None], across), grad_image)",
            ),
        ),
        spec="conv2d:p0x1",
        when=("padding > 0 on either axis",),
    ),
)

GAPS = (
    Fault(
        name="conv2d_backward_lays_windows_apart_side_by_side",
        bug_class=10,
        stage="grad_input",
        depth=3,
        edits=(
            in_tap(
                ADD_SHARE,
                "across = slice(j, j + (ow - 1) * kw + 1, kw) if dw == 1 and sw >= kw else columns",
                f"grad_pixels[:, :, rows, across] += {SHARE}",
            ),
        ),
        spec="conv2d:w3s1x2",
        when=("stride_w > kernel_w", "output_w > 1", "dilation_w = 1"),
    ),
    Fault(
        name="conv2d_backward_repeats_gradients_into_the_gaps",
        bug_class=10,
        stage="grad_input",
        depth=4,
        edits=(
            in_tap(
                ADD_SHARE,
                f"share = {SHARE}",
                "if kw == 1 and pw == 0:",
                "    grad_pixels[:, :, rows] += np.repeat(share, sw, axis=3)[:, :, :, :w]",
                "else:",
                "    grad_pixels[:, :, rows, columns] += share",
            ),
        ),
        spec="conv2d:w2s1x2",
        when=("kernel_w = 1", "stride_w > kernel_w", "padding_w = 0", "input_w > 1"),
    ),
    Fault(
        name="conv2d_backward_moves_on_by_at_most_the_kernel",
        bug_class=10,
        stage="grad_weight",
        depth=2,
        edits=(
            in_tap(
                SET_FILTERS,
                "steps_h, steps_w = min(sh, kh), min(sw, kw)",
                "down = slice(i * dh, i * dh + (oh - 1) * steps_h + 1, steps_h)",
                "across = slice(j * dw, j * dw + (ow - 1) * steps_w + 1, steps_w)",
                'grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads, pixels[:, :, down, across])',
            ),
        ),
        spec="conv2d:w3s1x2",
        when=("stride > kernel and output > 1 on the same axis",),
    ),
)

POINTWISE = (
    Fault(
        name="conv2d_backward_pointwise_path_forgets_the_stride",
        bug_class=11,
        stage="grad_input",
        depth=3,
        edits=(
            in_tap(
                ADD_SHARE,
                "here = (slice(oh), slice(ow)) if kh * kw == 1 and ph + pw == 0 else (rows, columns)",
                f"grad_pixels[:, :, *here] += {SHARE}",
            ),
        ),
        spec="conv2d:w3s1x2",
        when=(
            "kernel = 1 on both axes",
            "padding = 0 on both axes",
            "stride > kernel and output > 1 on the same axis",
        ),
    ),
    Fault(
        name="conv2d_backward_pointwise_path_forgets_the_padding",
        bug_class=11,
        stage="grad_weight",
        depth=3,
        edits=(
            in_tap(
                SET_FILTERS,
                "if kh * kw * sh * sw == 1:",
                "    inner = x[:, g * cg : (g + 1) * cg]",
                '    grad_filters[:, :, 0, 0] = np.einsum("nohw,nchw->oc", grads[:, :, :h, :w], inner)',
                "else:",
                f"    {SET_FILTERS}",
            ),
        ),
        spec="conv2d:p0x1",
        when=("padding > 0 on either axis", "kernel = 1 on both axes", "stride = 1 on both axes"),
    ),
)

GROUPS = (
    Fault(
        name="conv2d_backward_turns_the_groups_round_if_strided",
        bug_class=12,
        stage="grad_weight",
        depth=2,
        edits=(
            in_group(
                GRAD_FILTERS,
                "turn = groups - 1 - g if sw > 1 else g",
                "grad_filters = grad_weight[turn * og : (turn + 1) * og]",
            ),
        ),
        spec="conv2d:c2o2s1x2g2",
        when=("stride_w > 1", "groups > 1"),
    ),
    Fault(
        name="conv2d_backward_takes_the_filters_of_a_group_from_all_groups",
        bug_class=12,
        stage="grad_input",
        depth=2,
        edits=(in_group(FILTERS, "filters = weight[g::groups]"),),
        spec="conv2d:c2o4g2",
        when=("groups > 1", "outputs_per_group > 1", "not layout broadcast"),
    ),
    Fault(
        name="conv2d_backward_leaves_the_weights_of_the_last_group_out",
        bug_class=12,
        stage="grad_weight",
        depth=1,
        edits=(in_tap(SET_FILTERS, "if groups == 1 or g < groups - 1:", f"    {SET_FILTERS}"),),
        spec="conv2d:c2o2g2",
        when=("groups > 1",),
    ),
    Fault(
        name="conv2d_backward_depthwise_path_has_one_filter_a_channel",
        bug_class=12,
        stage="grad_input",
        depth=2,
        edits=(
            in_tap(
                ADD_SHARE,
                "if groups == c > 1:",
                '    share = np.einsum("nhw,c->nchw", grads[:, 0], filters[0, :, i, j])',
                "else:",
                f"    share = {SHARE}",
                "grad_pixels[:, :, rows, columns] += share",
            ),
        ),
        spec="conv2d:c2o4g2",
        when=("groups = channels > 1", "outputs_per_group > 1"),
    ),
    Fault(
        name="conv2d_backward_sums_the_weights_over_the_groups",
        bug_class=12,
        stage="grad_weight",
        depth=1,
        edits=(
            in_tap(
                SET_FILTERS,
                'products = np.einsum("nohw,nchw->oc", grads, pixels[:, :, rows, columns])',
                "grad_weight[:, :, i, j] += np.tile(products, (groups, 1))",
            ),
        ),
        spec="conv2d:c2o2g2",
        when=("groups > 1",),
    ),
    Fault(
        name="conv2d_backward_takes_shuffled_outputs_if_strided",
        bug_class=12,
        stage="grad_weight",
        depth=3,
        edits=(
            in_tap(
                SET_FILTERS,
                "those = grad_output[:, g::groups] if sh > 1 else grads",
                'grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", those, pixels[:, :, rows, columns])',
            ),
        ),
        spec="conv2d:c2o4s2x1g2",
        when=("stride_h > 1", "groups > 1", "outputs_per_group > 1"),
    ),
)

BLOCKS = (
    Fault(
        name="conv2d_backward_keeps_the_last_block_of_16_columns",
        bug_class=13,
        stage="grad_weight",
        depth=1,
        edits=(
            in_tap(
                SET_FILTERS,
                "near = pixels[:, :, rows, columns]",
                "for left in range(0, ow, 16):",
                "    block = np.s_[:, :, :, left : left + 16]",
                '    grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads[block], near[block])',
            ),
        ),
        spec="conv2d:w17",
        when=("output_w > 16",),
    ),
    Fault(
        name="conv2d_backward_drops_the_tail_of_blocks_of_8_filters",
        bug_class=13,
        stage="grad_input",
        depth=1,
        edits=(
            in_tap(
                ADD_SHARE,
                "whole = og // 8 * 8 if og > 8 else og",
                'share = np.einsum("nohw,oc->nchw", grads[:, :whole], filters[:whole, :, i, j])',
                "grad_pixels[:, :, rows, columns] += share",
            ),
        ),
        spec="conv2d:o9",
        when=("outputs_per_group > 8", "outputs_per_group is no multiple of 8"),
    ),
    Fault(
        name="conv2d_backward_fills_one_tile_of_16_channels",
        bug_class=13,
        stage="grad_weight",
        depth=1,
        edits=(
            in_tap(
                SET_FILTERS,
                'tile = np.einsum("nohw,nchw->oc", grads, pixels[:, :16, rows, columns])',
                "grad_filters[:, :16, i, j] = tile",
            ),
        ),
        spec="conv2d:c17",
        when=("channels_per_group > 16",),
    ),
    Fault(
        name="conv2d_backward_starts_the_bias_anew_every_4_images",
        bug_class=13,
        stage="grad_bias",
        depth=1,
        edits=(
            edit(
                f"grad_bias = None if bias is None else {GRAD_BIAS}",
                "grad_bias = None if bias is None else np.zeros(o, x.dtype)",
                "for first in range(0, n if grad_bias is not None else 0, 4):",
                "    grad_bias = grad_output[first : first + 4].sum(axis=(0, 2, 3))",
            ),
        ),
        spec="conv2d:n5+bias",
        when=("batch > 4",),
    ),
)

DEPTHWISE = (
    Fault(
        name="conv2d_backward_depthwise_path_forgets_the_dilation",
        bug_class=14,
        stage="grad_input",
        depth=3,
        edits=(
            in_tap(
                ADD_SHARE,
                "top, left = (i, j) if groups == c > 1 else (i * dh, j * dw)",
                "down = slice(top, top + (oh - 1) * sh + 1, sh)",
                "across = slice(left, left + (ow - 1) * sw + 1, sw)",
                f"grad_pixels[:, :, down, across] += {SHARE}",
            ),
        ),
        spec="conv2d:c2w3o2k1x2d1x2g2",
        when=("groups = channels > 1", "kernel > 1 and dilation > 1 on the same axis"),
    ),
    Fault(
        name="conv2d_backward_depthwise_path_forgets_the_stride",
        bug_class=14,
        stage="grad_weight",
        depth=3,
        edits=(
            in_tap(
                SET_FILTERS,
                "near = pixels[:, :, rows, columns]",
                "if groups == c > 1:",
                "    near = pixels[:, :, i * dh : i * dh + oh, j * dw : j * dw + ow]",
                'grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads, near)',
            ),
        ),
        spec="conv2d:c2w3o2s1x2g2",
        when=("groups = channels > 1", "stride > 1 and output > 1 on the same axis"),
    ),
    Fault(
        name="conv2d_backward_strided_depthwise_path_forgets_the_dilation_of_the_width",
        bug_class=14,
        stage="grad_weight",
        depth=4,
        edits=(
            in_tap(
                SET_FILTERS,
                "left = j if groups == c > 1 and sw > 1 else j * dw",
                "across = slice(left, left + (ow - 1) * sw + 1, sw)",
                'grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads, pixels[:, :, rows, across])',
            ),
        ),
        spec="conv2d:c2w3o2k1x2s1x2d1x2g2",
        when=("kernel_w > 1", "stride_w > 1", "dilation_w > 1", "groups = channels > 1"),
    ),
)

# A kernel that is not turned around, or only in part, is among these too.
SWAPPED = (
    Fault(
        name="conv2d_backward_crops_by_the_padding_of_the_other_axis",
        bug_class=16,
        stage="grad_input",
        depth=1,
        edits=(edit(CROP, "grad_input = grad_image[:, :, pw : pw + h, ph : ph + w].copy()"),),
        spec="conv2d:p0x1",
        when=("padding_h != padding_w",),
    ),
    Fault(
        name="conv2d_backward_reshapes_transposed_filters",
        bug_class=16,
        stage="grad_weight",
        depth=1,
        edits=(
            edit(GRAD_WEIGHT, "grad_weight = np.zeros((o, cg, kw, kh), weight.dtype)"),
            edit(SET_FILTERS, SET_FILTERS.replace("i, j]", "j, i]")),
            edit(RETURN, "return grad_input, grad_weight.reshape(weight.shape), grad_bias"),
        ),
        spec="conv2d:h2w2k2",
        when=("kernel > 1 on both axes",),
    ),
    Fault(
        name="conv2d_backward_multiplies_rows_of_places_with_columns_of_pixels_if_unpadded",
        bug_class=16,
        stage="grad_weight",
        depth=2,
        edits=(
            in_tap(
                SET_FILTERS,
                "near = pixels[:, :, rows, columns].swapaxes(2, 3) if ph + pw == 0 else pixels[:, :, rows, columns]",
                "flat = grads.reshape(n, og, oh * ow), near.reshape(n, cg, oh * ow)",
                'grad_filters[:, :, i, j] = np.einsum("nop,ncp->oc", *flat)',
            ),
        ),
        spec="conv2d:h2w2",
        when=("padding = 0 on both axes", "output > 1 on both axes"),
    ),
    Fault(
        name="conv2d_backward_does_not_turn_the_kernel_around",
        bug_class=16,
        stage="grad_input",
        depth=1,
        edits=(*TRANSPOSED, in_tap(TURNED, "top, left = i * dh, j * dw")),
        spec="conv2d:w2k1x2",
        when=("kernel > 1 on either axis",),
    ),
    Fault(
        name="conv2d_backward_turns_the_kernel_left_to_right_only",
        bug_class=16,
        stage="grad_input",
        depth=1,
        edits=(*TRANSPOSED, in_tap(TURNED, "top, left = i * dh, wide - j * dw")),
        spec="conv2d:h2k2x1",
        when=("kernel_h > 1",),
    ),
)

LAYOUTS = (
    Fault(
        name="conv2d_backward_reads_grouped_filters_in_the_order_of_memory",
        bug_class=17,
        stage="grad_input",
        depth=3,
        edits=(
            edit(
                OUTPUTS_PER_GROUP,
                OUTPUTS_PER_GROUP,
                "if groups > 1 and kw > 1:",
                '    weight = weight.ravel(order="A").reshape(weight.shape)',
            ),
        ),
        spec="conv2d:c2w2o2k1x2g2:fortran",
        when=("kernel_w > 1", "groups > 1", "layout fortran"),
    ),
    Fault(
        name="conv2d_backward_flushes_subnormals_in_place",
        bug_class=17,
        stage="grad_input",
        depth=1,
        edits=(
            edit(
                OUTPUTS_PER_GROUP,
                OUTPUTS_PER_GROUP,
                "np.copyto(grad_output, 0, where=np.abs(grad_output) < np.finfo(x.dtype).tiny)",
            ),
        ),
        spec="conv2d:broadcast",
        when=("(layout broadcast or layout readonly)",),
    ),
    Fault(
        name="conv2d_backward_counts_a_broadcast_image_once",
        bug_class=17,
        stage="grad_bias",
        depth=2,
        edits=(
            edit(
                f"else {GRAD_BIAS}",
                "else grad_output[: 1 if grad_output.strides[0] == 0 else n].sum(axis=(0, 2, 3))",
            ),
        ),
        spec="conv2d:n2+bias:broadcast",
        when=("batch > 1", "layout broadcast"),
    ),
    Fault(
        name="conv2d_backward_refuses_negative_strides",
        bug_class=17,
        stage="grad_input",
        depth=1,
        edits=(
            edit(
                OUTPUTS_PER_GROUP,
                OUTPUTS_PER_GROUP,
                "if min(grad_output.strides) < 0:",
                '    raise ValueError("arrays with negative strides are not supported")',
            ),
        ),
        spec="conv2d:reversed",
        when=("layout reversed",),
    ),
)

DTYPES = (
    Fault(
        name="conv2d_backward_has_filters_in_double_precision_always",
        bug_class=19,
        stage="grad_weight",
        depth=1,
        edits=(edit(GRAD_WEIGHT, "grad_weight = np.zeros(weight.shape)"),),
        spec="conv2d:f32",
        when=("dtype f32",),
    ),
    Fault(
        name="conv2d_backward_has_the_bias_in_single_precision_always",
        bug_class=19,
        stage="grad_bias",
        depth=1,
        edits=(edit(GRAD_BIAS, "grad_output.sum(axis=(0, 2, 3), dtype=np.float32)"),),
        spec="conv2d:+bias",
        when=("dtype f64",),
    ),
)

NARROW = (
    Fault(
        name="conv2d_backward_multiplies_in_single_precision",
        bug_class=21,
        stage="grad_weight",
        depth=1,
        edits=(
            in_tap(
                SET_FILTERS,
                "near = pixels[:, :, rows, columns].astype(np.float32)",
                'grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads.astype(np.float32), near)',
            ),
        ),
        spec="conv2d",
        when=("dtype f64",),
    ),
    Fault(
        name="conv2d_backward_sums_the_bias_in_half_precision",
        bug_class=21,
        stage="grad_bias",
        depth=2,
        edits=(
            edit(
                GRAD_BIAS,
                "grad_output.astype(np.float16 if x.itemsize == 4 else x.dtype).sum(axis=(0, 2, 3)).astype(x.dtype)",
            ),
        ),
        spec="conv2d:+bias:f32:real",
        when=("dtype f32", "(fill real or fill wide)"),
    ),
    Fault(
        name="conv2d_backward_takes_tiny_filters_for_zero",
        bug_class=21,
        stage="grad_input",
        depth=1,
        edits=(
            in_group(
                FILTERS,
                FILTERS,
                "# so that squares of products do not underflow",
                "filters = np.where(np.abs(filters) < np.finfo(x.dtype).tiny ** 0.25, 0, filters)",
            ),
        ),
        spec="conv2d:tiny",
        when=("fill tiny",),
    ),
)

EMPTY = (
    Fault(
        name="conv2d_backward_takes_the_mean_over_nothing",
        bug_class=22,
        stage="grad_bias",
        depth=1,
        edits=(edit(GRAD_BIAS, "grad_output.sum(axis=(0, 2, 3)) / (n * oh * ow) * (n * oh * ow)"),),
        spec="conv2d:n0+bias",
        when=(
            "batch = 0",
            "bias",
        ),
    ),
    Fault(
        name="conv2d_backward_returns_none_for_no_images",
        bug_class=22,
        stage="grad_input",
        depth=1,
        edits=(edit(IMAGE, "if n == 0:", "    return None, None, None", IMAGE),),
        spec="conv2d:n0",
        when=("batch = 0",),
    ),
)

ARGUMENTS = (
    Fault(
        name="conv2d_backward_repeats_a_column_of_grad_output",
        bug_class=23,
        stage="grad_input",
        depth=1,
        edits=(edit("if grad_output.shape != (n, o, oh, ow):", "if grad_output.shape[:2] != (n, o):"),),
        spec="conv2d:w2:broken@grad_output.narrow",
        when=("the problem breaks the rule: grad_output must have no fewer columns than the output",),
    ),
    Fault(
        name="conv2d_backward_accepts_grad_output_of_another_dtype",
        bug_class=23,
        stage="grad_input",
        depth=1,
        edits=(edit("check_arrays(x, grad_output)", "check_arrays(grad_output)"),),
        spec="conv2d:broken@grad_output.dtype",
        when=("the problem breaks the rule: grad_output must have the dtype of the other arrays",),
    ),
    Fault(
        name="conv2d_backward_takes_three_axes_for_every_image",
        bug_class=23,
        stage="grad_input",
        depth=1,
        edits=(
            edit(
                "check_arrays(x, grad_output)",
                "check_arrays(x, grad_output)",
                "if grad_output.ndim == 3:",
                "    grad_output = np.broadcast_to(grad_output, (len(x), *grad_output.shape))",
            ),
        ),
        spec="conv2d:broken@grad_output.rank",
        when=("the problem breaks the rule: grad_output must have 4 axes",),
    ),
)

BIAS = (
    Fault(
        name="conv2d_backward_averages_the_bias_over_images",
        bug_class=24,
        stage="grad_bias",
        depth=1,
        edits=(edit(GRAD_BIAS, f"{GRAD_BIAS} / max(1, n)"),),
        spec="conv2d:n2+bias",
        when=("batch > 1",),
    ),
    Fault(
        name="conv2d_backward_leaves_the_height_in_the_bias",
        bug_class=24,
        stage="grad_bias",
        depth=1,
        edits=(edit(GRAD_BIAS, "grad_output.sum(axis=(0, 3)).ravel()"),),
        spec="conv2d:h2+bias",
        when=("output_h > 1",),
    ),
    Fault(
        name="conv2d_backward_returns_the_gradient_of_an_absent_bias",
        bug_class=24,
        stage="grad_bias",
        depth=1,
        edits=(edit("None if bias is None else ", ""),),
        spec="conv2d",
        when=("no bias",),
    ),
    Fault(
        name="conv2d_backward_returns_the_bias_as_a_column",
        bug_class=24,
        stage="grad_bias",
        depth=1,
        edits=(edit(GRAD_BIAS, "grad_output.sum(axis=(0, 2, 3), keepdims=True)[0, :, :, 0]"),),
        spec="conv2d:+bias",
        when=(),
    ),
    Fault(
        name="conv2d_backward_takes_the_bias_from_the_first_image",
        bug_class=24,
        stage="grad_bias",
        depth=1,
        edits=(edit(GRAD_BIAS, "grad_output[:1].sum(axis=(0, 2, 3))"),),
        spec="conv2d:n2+bias",
        when=("batch > 1",),
    ),
)

MEMORY = (
    Fault(
        name="conv2d_backward_sums_the_bias_in_place",
        bug_class=25,
        stage="grad_bias",
        depth=3,
        edits=(
            edit(
                RETURN,
                "if bias is not None and grad_output.flags.writeable:",
                "    grad_bias = np.cumsum(grad_output, axis=3, out=grad_output)[:, :, :, -1].sum(axis=(0, 2))",
                RETURN,
            ),
        ),
        spec="conv2d:w2+bias",
        when=("output_w > 1", "bias", "not layout broadcast and not layout readonly"),
    ),
    Fault(
        name="conv2d_backward_turns_the_weight_around_in_place",
        bug_class=25,
        stage="grad_input",
        depth=2,
        edits=(
            edit(
                OUTPUTS_PER_GROUP,
                OUTPUTS_PER_GROUP,
                "if not weight.flags.writeable:",
                "    weight = weight.copy()",
                "weight[...] = weight[:, :, ::-1, ::-1].copy()",
            ),
            edit(ADD_SHARE, ADD_SHARE.replace("i, j]", "kh - 1 - i, kw - 1 - j]")),
        ),
        spec="conv2d:w2k1x2",
        when=("kernel > 1 on either axis", "not layout broadcast and not layout readonly"),
    ),
    Fault(
        name="conv2d_backward_clears_pixels_that_no_window_reads",
        bug_class=25,
        stage="grad_weight",
        depth=2,
        edits=(
            edit(
                IMAGE,
                "if x.flags.writeable and ph == 0:",
                "    x[:, :, (oh - 1) * sh + (kh - 1) * dh + 1 :] = 0",
                "if x.flags.writeable and pw == 0:",
                "    x[:, :, :, (ow - 1) * sw + (kw - 1) * dw + 1 :] = 0",
                IMAGE,
            ),
        ),
        spec="conv2d:w2s1x2",
        when=("padding = 0 and remainder > 0 on the same axis", "not layout broadcast and not layout readonly"),
    ),
    Fault(
        name="conv2d_backward_returns_grad_output_of_one_place_as_the_bias",
        bug_class=25,
        stage="grad_bias",
        depth=3,
        edits=(
            edit(
                f"else {GRAD_BIAS}",
                f"else grad_output.reshape(o) if n * oh * ow == 1 else {GRAD_BIAS}",
            ),
        ),
        spec="conv2d:+bias",
        when=("output = 1 on both axes", "batch = 1", "bias"),
    ),
)

SCALE = (
    Fault(
        name="conv2d_backward_divides_the_weights_by_the_batch",
        bug_class=26,
        stage="grad_weight",
        depth=1,
        edits=(edit(RETURN, "return grad_input, grad_weight / max(1, n), grad_bias"),),
        spec="conv2d:n2",
        when=("batch > 1",),
    ),
    Fault(
        name="conv2d_backward_leaves_the_last_image_out",
        bug_class=26,
        stage="grad_weight",
        depth=1,
        edits=(
            in_tap(
                SET_FILTERS,
                "near = pixels[: max(1, n - 1), :, rows, columns]",
                'grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads[: max(1, n - 1)], near)',
            ),
        ),
        spec="conv2d:n2",
        when=("batch > 1",),
    ),
    Fault(
        name="conv2d_backward_leaves_the_last_channel_out",
        bug_class=26,
        stage="grad_weight",
        depth=1,
        edits=(
            in_tap(
                SET_FILTERS,
                "for channel in range(cg - 1 or 1):",
                "    near = pixels[:, channel, rows, columns]",
                '    grad_filters[:, channel, i, j] = np.einsum("nohw,nhw->o", grads, near)',
            ),
        ),
        spec="conv2d:c2",
        when=("channels_per_group > 1",),
    ),
    Fault(
        name="conv2d_backward_leaves_the_last_filter_out",
        bug_class=26,
        stage="grad_input",
        depth=1,
        edits=(
            in_tap(
                ADD_SHARE,
                "for f in range(og - 1 or 1):",
                '    share = np.einsum("nhw,c->nchw", grads[:, f], filters[f, :, i, j])',
                "    grad_pixels[:, :, rows, columns] += share",
            ),
        ),
        spec="conv2d:o2",
        when=("outputs_per_group > 1",),
    ),
    Fault(
        name="conv2d_backward_averages_the_weights_over_places",
        bug_class=26,
        stage="grad_weight",
        depth=1,
        edits=(edit(RETURN, "return grad_input, grad_weight / (oh * ow), grad_bias"),),
        spec="conv2d:w2",
        when=("output > 1 on either axis",),
    ),
    Fault(
        name="conv2d_backward_divides_the_input_by_the_batch",
        bug_class=26,
        stage="grad_input",
        depth=1,
        edits=(edit(CROP, CROP, "grad_input /= max(1, n)"),),
        spec="conv2d:n2",
        when=("batch > 1",),
    ),
)

STATE = (
    Fault(
        name="conv2d_backward_returns_a_buffer_that_it_keeps",
        bug_class=27,
        stage="grad_weight",
        depth=1,
        edits=(
            edit(
                GRAD_WEIGHT,
                'buffers = conv2d_backward.__dict__.setdefault("buffers", {})',
                "key = (weight.shape, weight.dtype)",
                "grad_weight = buffers.setdefault(key, np.zeros(weight.shape, weight.dtype))",
            ),
        ),
        spec="conv2d",
        when=(),
    ),
    Fault(
        name="conv2d_backward_adds_to_the_weights_of_the_last_call",
        bug_class=27,
        stage="grad_weight",
        depth=1,
        edits=(
            edit(
                GRAD_WEIGHT,
                'buffers = conv2d_backward.__dict__.setdefault("buffers", {})',
                "key = (weight.shape, weight.dtype)",
                "grad_weight = buffers.setdefault(key, np.zeros(weight.shape, weight.dtype))",
            ),
            edit(SET_FILTERS, SET_FILTERS.replace(" = ", " += ")),
            edit(RETURN, "return grad_input, grad_weight.copy(), grad_bias"),
        ),
        spec="conv2d",
        when=(),
    ),
    Fault(
        name="conv2d_backward_pads_into_a_buffer_found_by_its_size",
        bug_class=27,
        stage="grad_weight",
        depth=1,
        edits=(
            edit(
                IMAGE,
                'buffers = conv2d_backward.__dict__.setdefault("buffers", {})',
                "larger = (n, c, h + 2 * ph, w + 2 * pw)",
                "image = buffers.setdefault((larger, x.dtype), np.zeros(larger, x.dtype))",
                "image[:, :, ph : ph + h, pw : pw + w] = x",
            ),
        ),
        spec="conv2d:p0x1",
        when=("padding > 0 on either axis",),
    ),
)

CONJUNCTIONS = (
    Fault(
        name="conv2d_backward_keeps_the_last_image_of_float32_groups",
        bug_class=28,
        stage="grad_weight",
        depth=3,
        edits=(
            in_tap(
                SET_FILTERS,
                "if x.dtype == np.float32 and groups > 1:",
                "    for image_grads, near in zip(grads, pixels[:, :, rows, columns]):",
                "        near_rows = near.reshape(cg, oh * ow)",
                "        grad_filters[:, :, i, j] = image_grads.reshape(og, oh * ow) @ near_rows.T",
                "else:",
                f"    {SET_FILTERS}",
            ),
        ),
        spec="conv2d:n2c2o2g2:f32",
        when=("batch > 1", "groups > 1", "dtype f32"),
    ),
    Fault(
        name="conv2d_backward_turns_strided_grouped_kernels_upside_down",
        bug_class=28,
        stage="grad_input",
        depth=3,
        edits=(
            in_tap(
                ADD_SHARE,
                "tap = kh - 1 - i if groups > 1 and sh > 1 else i",
                ADD_SHARE.replace("i, j]", "tap, j]"),
            ),
        ),
        spec="conv2d:c2h2o2k2x1s2x1g2",
        when=("kernel_h > 1", "stride_h > 1", "groups > 1"),
    ),
    Fault(
        name="conv2d_backward_counts_the_bias_among_the_taps_of_grouped_kernels",
        bug_class=28,
        stage="grad_weight",
        depth=3,
        edits=(
            in_tap(
                SET_FILTERS,
                "column = (j + 1) % kw if bias is not None and groups > 1 else j",
                SET_FILTERS.replace("i, j]", "i, column]"),
            ),
        ),
        spec="conv2d:c2w2o2k1x2g2+bias",
        when=("kernel_w > 1", "groups > 1", "bias"),
    ),
    Fault(
        name="conv2d_backward_swaps_taps_of_3_wide_strided_depthwise_kernels",
        bug_class=28,
        stage="grad_input",
        depth=4,
        edits=(
            in_tap(
                ADD_SHARE,
                "tap = (1, 0, 2)[j] if groups == c > 1 and (kw, sw, dw) == (3, 2, 1) else j",
                ADD_SHARE.replace("i, j]", "i, tap]"),
            ),
        ),
        spec="conv2d:c2w3o2k1x3s1x2g2",
        when=("1 < stride_w < kernel_w", "dilation_w = 1", "groups = channels > 1", "kernel_w = 3"),
    ),
    Fault(
        name="conv2d_backward_reshapes_dilated_grouped_filters_instead_of_transposing",
        bug_class=28,
        stage="grad_input",
        depth=4,
        edits=(
            in_tap(
                ADD_SHARE,
                "matrix = filters[:, :, i, j]",
                "if groups > 1 and dh > 1:",
                "    matrix = matrix.reshape(cg, og).T",
                'grad_pixels[:, :, rows, columns] += np.einsum("nohw,oc->nchw", grads, matrix)',
            ),
        ),
        spec="conv2d:c4o4d2x1g2",
        when=("dilation_h > 1", "groups > 1", "channels_per_group > 1", "outputs_per_group > 1"),
    ),
    Fault(
        name="conv2d_backward_counts_the_first_image_twice_in_strided_padded_float32_with_bias",
        bug_class=28,
        stage="grad_weight",
        depth=4,
        edits=(
            in_tap(
                SET_FILTERS,
                SET_FILTERS,
                "if x.dtype == np.float32 and bias is not None and sh > 1 and pw > 0:",
                "    near = pixels[:1, :, rows, columns]",
                '    grad_filters[:, :, i, j] += np.einsum("nohw,nchw->oc", grads[:1], near)',
            ),
        ),
        spec="conv2d:s2x1p0x1+bias:f32",
        when=("stride_h > 1", "padding_w > 0", "bias", "dtype f32"),
    ),
    Fault(
        name="conv2d_backward_writes_odd_widths_only_for_kernel_3_stride_2",
        bug_class=28,
        stage="grad_input",
        depth=5,
        edits=(
            edit(
                CROP,
                CROP,
                "if (kw, sw, pw, dw) == (3, 2, 1, 1):",
                "    grad_input[:, :, :, 2 * ow - 1 :] = 0",
            ),
        ),
        spec="conv2d:w2k1x3s1x2p0x1",
        when=("1 < stride_w < kernel_w", "remainder_w > 0", "dilation_w = 1", "kernel_w = 3", "padding_w = 1"),
    ),
    Fault(
        name="conv2d_backward_keeps_the_last_image_of_strided_padded_groups_with_bias",
        bug_class=28,
        stage="grad_weight",
        depth=5,
        edits=(
            in_tap(
                SET_FILTERS,
                "if groups > 1 and bias is not None and sw > 1 and ph > 0:",
                "    for k in range(n):",
                "        near = pixels[k, :, rows, columns]",
                '        grad_filters[:, :, i, j] = np.einsum("ohw,chw->oc", grads[k], near)',
                "else:",
                f"    {SET_FILTERS}",
            ),
        ),
        spec="conv2d:n2c2o2s1x2p1x0g2+bias",
        when=("stride_w > 1", "padding_h > 0", "batch > 1", "groups > 1", "bias"),
    ),
)

FAULTS = (
    *PADDING,
    *OVERLAP,
    *REMAINDER,
    *EDGES,
    *GAPS,
    *POINTWISE,
    *GROUPS,
    *BLOCKS,
    *DEPTHWISE,
    *SWAPPED,
    *LAYOUTS,
    *DTYPES,
    *NARROW,
    *EMPTY,
    *ARGUMENTS,
    *BIAS,
    *MEMORY,
    *SCALE,
    *STATE,
    *CONJUNCTIONS,
)
