"""Convolution, forward and backward, as products of matrices with columns.

What deep learning calls convolution is the cross-correlation of the input with the weight; meanings of the options
are PyTorch's (`torch.nn.functional.conv2d`). With the weight as a matrix W, a row for each filter, and for each image
the columns X, what each window sees, and the output as a matrix Y, a column for each place, forward is Y = W X, and so
backward is

    grad_W = sum of grad_Y X^T over the images    and    grad_X = W^T grad_Y,

grad_X added back to the pixels. Groups are a stack of such products. The columns are larger than the images by a factor
of the kernel's size, so only a tile of them is there at a time (`impl.tiles`), in a cache, and never twice: they are
made again for backward. docs/im2col.md derives all this, with pictures.
"""

from __future__ import annotations

import math
from itertools import chain, groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from impl.arrays import check_dtypes, check_images, check_rank, check_shape, contiguous, in_order
from impl.geometry import Windows, count, remembered
from impl.im2col import add_columns, add_windows, copy_windows, take_columns
from impl.threads import share
from impl.tiles import Tile, blocks, fits, tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from impl.arrays import Array
    from impl.geometry import Sizes

__all__ = ["conv2d", "conv2d_backward"]

# Filters a channel up to which the kernel is turned around: longer columns are copied, and nothing is added.
TURNING = 3
# Places of an image up to which images are laid side by side: a product with fewer columns does little but start.
FEW = 32


# Overflow and invalid operations follow IEEE 754 without a warning: infinities and NaN are results like others.
@np.errstate(all="ignore")
def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Sizes = (1, 1),
    padding: Sizes = (0, 0),
    dilation: Sizes = (1, 1),
    groups: int = 1,
) -> Array:
    """Convolve a batch of images with a bank of filters.

    Parameters
    ----------
    x : array, N x C_in x H x W, float32 or float64
        The images; N may be 0.
    weight : array, C_out x (C_in/groups) x kh x kw, of the dtype of `x`
        The filters.
    bias : array, C_out, of the dtype of `x`, optional
        Added to each filter's output.
    stride, padding, dilation : int or pair of int
        As in PyTorch. The padding is zeros, on both sides.
    groups : int
        Input and output channels are split into so many groups, each convolved by itself.

    Returns
    -------
    array, N x C_out x h_out x w_out, of the dtype of `x`
        h_out = floor((H + 2*padding - dilation*(kh - 1) - 1) / stride) + 1, and likewise w_out.

    Raises
    ------
    TypeError
        If the arrays are not all float32 or all float64, or an option is not made of integers.
    ValueError
        If the shapes do not fit one another, an option is out of its range, or no window fits.
    """
    windows = _windows(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    y = np.empty((len(x), len(weight), *windows.output_size), x.dtype)
    y_by_group, matrix = _by_group(y, groups), _matrix(weight, groups)
    offset = None if bias is None else bias.reshape(groups, -1, 1)
    side_by_side = _side_by_side(x, windows)

    def work(part: Sequence[Tile]) -> None:
        for tile in part:
            out = _places(y_by_group, tile)
            if side_by_side:
                product = matrix @ take_columns(x[tile.images], windows).reshape(groups, matrix.shape[2], -1)
                out[...] = np.moveaxis(product.reshape(*matrix.shape[:2], -1, len(out)), -1, 0)
            else:
                np.matmul(matrix[tile.groups], _columns(x, windows, tile, groups), out=out)
            if offset is not None:
                np.add(out, offset[tile.groups], out=out)

    entries = _entries(x, windows, len(weight))
    pieces = _whole_images(x, windows, groups, entries) if side_by_side else _tiles(x, windows, groups, entries)
    share(work, pieces, entries=len(x) * entries)
    return y


@np.errstate(all="ignore")
def conv2d_backward(
    grad_output: Array,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Sizes = (1, 1),
    padding: Sizes = (0, 0),
    dilation: Sizes = (1, 1),
    groups: int = 1,
) -> tuple[Array, Array, Array | None]:
    """Gradients of `conv2d` by its input, weight and bias.

    Parameters
    ----------
    grad_output : array, N x C_out x h_out x w_out, of the dtype of `x`
        Gradient by the output.
    x, weight, bias, stride, padding, dilation, groups
        What `conv2d` was called with.

    Returns
    -------
    grad_input : array, of the shape and dtype of `x`
    grad_weight : array, of the shape and dtype of `weight`
    grad_bias : array, C_out, or None
        None exactly if `bias` is None.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`; and if `grad_output` has not the dtype of `x` or the shape of the output.
    """
    windows = _windows(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    check_dtypes(grad_output=grad_output, x=x)
    output_shape = (len(x), len(weight), *windows.output_size)
    check_shape("grad_output", grad_output.shape, output_shape, "that of the output")
    gradients = _way_back(x, weight, windows)
    grad_input, grad_weight = gradients(grad_output, x, weight, windows, groups)
    if gradients is _gradients_by_turning and not np.isfinite(grad_weight).all():
        del grad_input, grad_weight  # there is room for one pair
        grad_input, grad_weight = _gradients_by_adding(grad_output, x, weight, windows, groups)
    return grad_input, grad_weight, None if bias is None else _gradient_of_bias(grad_output)


def _way_back(x: Array, weight: Array, windows: Windows) -> Callable[..., tuple[Array, Array]]:
    """How gradients are made.

    To turn the kernel around multiplies weights and pixels with the padding of grad_Y, which they have nothing to do
    with: of one that is infinite or NaN that makes NaN. For a weight this tells beforehand; what became of a pixel is
    seen in grad_W.
    """
    if _side_by_side(x, windows):
        return _gradients_side_by_side
    if windows.turns and len(weight) <= TURNING * x.shape[1] and np.isfinite(weight).all():
        return _gradients_by_turning
    return _gradients_by_adding


def _gradient_of_bias(grad_output: Array) -> Array:
    """Sums over images and places."""
    (images, filters), place_bytes = grad_output.shape[:2], math.prod(grad_output.shape[2:]) * grad_output.itemsize
    total = np.zeros(filters, grad_output.dtype)
    for some, channels, _ in tiles(images, filters, 1, place_bytes):
        total[channels] += contiguous(grad_output[some, channels]).sum(axis=(0, 2, 3))
    return total


def _gradients_by_turning(
    grad_output: Array, x: Array, weight: Array, windows: Windows, groups: int
) -> tuple[Array, Array]:
    """Gradients by input and weight, out of columns of grad_Y, for a stride of 1.

    The windows that see a pixel are then themselves a window of grad_Y, which takes the places of the kernel in
    reverse. So grad_X is a convolution with the kernel turned around, which writes each pixel once instead of adding to
    it, and grad_W, turned around, is the product of X with the same columns.
    """
    back, (filters, channels, *kernel) = windows.turned, weight.shape
    by_group = weight.reshape(groups, filters // groups, channels, *kernel)
    matrix = contiguous(by_group[..., ::-1, ::-1].swapaxes(1, 2)).reshape(groups, channels, -1)
    grad_input, x_by_group = np.empty(x.shape, x.dtype), _by_group(x, groups)
    grad_by_group = _by_group(grad_input, groups)

    def work(part: Sequence[Tile]) -> Array:
        total = np.zeros(matrix.swapaxes(1, 2).shape, x.dtype)
        for tile in part:
            columns = _columns(grad_output, back, tile, groups)
            np.matmul(matrix[tile.groups], columns, out=_places(grad_by_group, tile))
            _add_products(columns, _places(x_by_group, tile), total[tile.groups])
        return total

    entries = _entries(grad_output, back, x.shape[1])
    totals = share(work, _tiles(grad_output, back, groups, entries), entries=len(x) * entries)
    grad_weight = _sum(totals).reshape(groups, -1, *kernel, channels)[:, :, ::-1, ::-1].transpose(0, 1, 4, 2, 3)
    return grad_input, np.ascontiguousarray(grad_weight.reshape(weight.shape))


def _gradients_by_adding(
    grad_output: Array, x: Array, weight: Array, windows: Windows, groups: int
) -> tuple[Array, Array]:
    """Gradients by input and weight; W^T grad_Y has an entry for each of the columns, added to the pixel it is of."""
    transposed = _matrix(weight, groups).swapaxes(-1, -2)
    grad_input, grad_by_group = np.zeros(x.shape, x.dtype), _by_group(grad_output, groups)
    pixels_by_group = _by_group(grad_input, groups)

    def work(part: Sequence[list[Tile]]) -> Array:
        total = np.zeros(transposed.shape, x.dtype)
        for tile in chain.from_iterable(part):
            grad_y = _places(grad_by_group, tile)
            _add_products(_columns(x, windows, tile, groups), grad_y, total[tile.groups])
            pixels = pixels_by_group[tile.images, tile.groups]
            add_windows(transposed[tile.groups] @ grad_y, pixels, windows, tile.rows)
        return total

    entries = _entries(x, windows, len(weight))
    pieces = _tiles(x, windows, groups, entries)
    # Tiles that add to the same pixels are one piece of work.
    by_pixels = [list(several) for _, several in groupby(pieces, key=attrgetter("images", "groups"))]
    totals = share(work, by_pixels, entries=len(x) * entries)
    return grad_input, np.ascontiguousarray(_sum(totals).swapaxes(1, 2).reshape(weight.shape))


def _gradients_side_by_side(
    grad_output: Array, x: Array, weight: Array, windows: Windows, groups: int
) -> tuple[Array, Array]:
    """Gradients by input and weight, some images at a time, in the columns of `impl.im2col`: images fastest."""
    matrix, grad_input = _matrix(weight, groups), np.empty(x.shape, x.dtype)

    def work(part: Sequence[Tile]) -> Array:
        total = np.zeros(matrix.swapaxes(1, 2).shape, x.dtype)
        for images, *_ in part:
            grad_y = contiguous(np.moveaxis(grad_output[images], 0, -1)).reshape(*matrix.shape[:2], -1)
            columns = take_columns(x[images], windows).reshape(groups, matrix.shape[2], -1)
            total += columns @ grad_y.swapaxes(1, 2)
            grad_columns = matrix.swapaxes(1, 2) @ grad_y
            grad_input[images] = add_columns(grad_columns, images.stop - images.start, x.shape[1], windows)
        return total

    entries = _entries(x, windows, len(weight))
    totals = share(work, _whole_images(x, windows, groups, entries), entries=len(x) * entries)
    return grad_input, np.ascontiguousarray(_sum(totals).swapaxes(1, 2).reshape(weight.shape))


def _add_products(columns: Array, places: Array, total: Array) -> None:
    """Add the products of the columns of each image with what stands at their places, transposed, to a total.

    The other way around, with the columns transposed, BLAS takes a tenth to a third longer.
    """
    for image_columns, image_places in zip(columns, places, strict=True):
        total += image_columns @ image_places.swapaxes(-1, -2)


def _sum(totals: Sequence[Array]) -> Array:
    """What all threads have added up."""
    for other in totals[1:]:
        totals[0] += other
    return totals[0]


def _columns(x: Array, windows: Windows, tile: Tile, groups: int) -> Array:
    """What each window of a tile sees: images x groups x C_in/groups*kh*kw x places."""
    if windows.pointwise:
        return _places(_by_group(x, groups), tile)
    columns = copy_windows(_by_group(x, groups), windows, *tile)
    return columns.reshape(*columns.shape[:2], -1, columns.shape[-2] * columns.shape[-1])


def _matrix(weight: Array, groups: int) -> Array:
    """The filters as rows, a matrix for each group."""
    return contiguous(weight).reshape(groups, len(weight) // groups, -1)


def _by_group(array: Array, groups: int) -> Array:
    """A view of images as images x groups x channels of a group x H x W."""
    images, channels, height, width = array.shape
    return array.reshape(images, groups, channels // groups, height, width)


def _places(by_group: Array, tile: Tile) -> Array:
    """What stands at the places of a tile, images x groups x channels of a group x places.

    A view of what lies in memory row by row, otherwise a copy.
    """
    found = by_group[tile.images, tile.groups, :, tile.rows]
    if not in_order(by_group):
        found = found.copy()
    return found.reshape(*found.shape[:3], -1)


def _tiles(x: Array, windows: Windows, groups: int, entries: int) -> list[Tile]:
    """All windows, so many at a time that what is made for them stays in the cache: so many entries an image."""
    rows = windows.output_size[0]
    return tiles(len(x), groups, rows, entries * x.itemsize // (groups * rows))


def _whole_images(x: Array, windows: Windows, groups: int, entries: int) -> list[Tile]:
    """The same, of whole images."""
    whole = slice(0, groups), slice(0, windows.output_size[0])
    return [Tile(images, *whole) for images in blocks(len(x), entries * x.itemsize)]


def _side_by_side(x: Array, windows: Windows) -> bool:
    """Whether there are several images, not large, with so few places that their columns make one matrix."""
    image_bytes = math.prod((x.shape[1], *windows.padded_size)) * x.itemsize
    return len(x) > 1 and math.prod(windows.output_size) <= FEW and fits(image_bytes)


def _entries(x: Array, windows: Windows, others: int) -> int:
    """How many entries the largest of what is made for an image has.

    That may be its columns, its pixels with padding, or what stands at its places, of so many other channels.
    """
    places = windows.output_size
    several = (x.shape[1], *windows.kernel_size, *places), (x.shape[1], *windows.padded_size), (others, *places)
    return max(map(math.prod, several))


def _windows(
    x: Array, weight: Array, bias: Array | None, *, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Windows:
    """Check all arguments of the forward pass against each other, and lay the windows out."""
    check_dtypes(x=x, weight=weight, bias=bias)
    bias_shape = None if bias is None else bias.shape
    return _laid_out(x.shape, weight.shape, bias_shape, stride, padding, dilation, groups)


@remembered
def _laid_out(
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    bias_shape: tuple[int, ...] | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    groups: int,
) -> Windows:
    check_images("x", x_shape)
    check_rank("weight", weight_shape, "C_out x C_in/groups x kh x kw")
    groups = count("groups", groups)
    channels, filters = x_shape[1], weight_shape[0]
    if channels % groups:
        raise ValueError(f"groups must divide the {channels} channels of x, got {groups}")
    if filters < 1 or filters % groups:
        raise ValueError(f"groups {groups} must divide the filters of weight, at least 1, got {filters}")
    if weight_shape[1] != channels // groups:
        raise ValueError(
            f"weight must have {channels // groups} channels on axis 1, the {channels} of x over groups {groups}, "
            f"got shape {weight_shape}"
        )
    if bias_shape is not None:
        check_shape("bias", bias_shape, (filters,), "one entry for each filter of weight")
    return Windows.of(x_shape[2:], weight_shape[2:], stride=stride, padding=padding, dilation=dilation)
