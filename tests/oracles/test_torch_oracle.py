"""PyTorch behind the subject's functions: pure, for any layout, silent where it cannot be asked."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from oracles import definition, torch_oracle

if TYPE_CHECKING:
    from collections.abc import Callable

layouts: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "fortran": np.asfortranarray,
    "reversed": lambda a: a[..., ::-1].copy()[..., ::-1],
    "sliced": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "broadcast": lambda a: np.broadcast_to(a[..., :1], a.shape),
    "read-only": lambda a: np.broadcast_to(a, a.shape),
    "offset": lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
}


def calls() -> dict[str, tuple[tuple[Any, ...], dict[str, Any]]]:
    """One call of every function; the arrays come first."""
    random = np.random.default_rng(0)

    def array(*shape: int) -> np.ndarray:
        return random.integers(-9, 10, shape).astype(np.float32)

    x, weight, bias = array(2, 4, 5, 6), array(4, 2, 3, 2), array(4)
    conv = {"stride": (2, 1), "padding": (1, 0), "groups": 2}
    return {
        "conv2d": ((x, weight, bias), conv),
        "conv2d_backward": ((array(2, 4, 3, 5), x, weight, bias), conv),
        "avg_pool2d": ((x, (2, 2)), {}),
        "avg_pool2d_backward": ((array(2, 4, 2, 3), x, (2, 2)), {}),
        "max_pool2d": ((x, (2, 2)), {}),
        "max_pool2d_backward": ((array(2, 4, 2, 3), x, (2, 2)), {}),
        "im2col": ((x, (1, 1)), {}),
        "col2im": ((array(4, 60), (2, 4, 5, 6), (1, 1)), {}),
    }


def results(name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> list[np.ndarray]:
    result = getattr(torch_oracle, name)(*arguments, **options)
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("name", calls())
def test_the_definition_has_the_same_signature(name: str) -> None:
    assert inspect.signature(getattr(torch_oracle, name)) == inspect.signature(getattr(definition, name))


@pytest.mark.parametrize("layout", layouts)
@pytest.mark.parametrize("name", calls())
def test_any_layout_gives_the_same_and_is_left_alone(name: str, layout: str) -> None:
    arguments, options = calls()[name]
    laid_out = tuple(layouts[layout](a) if isinstance(a, np.ndarray) else a for a in arguments)
    arrays = [a for a in laid_out if isinstance(a, np.ndarray)]
    plain = tuple(np.array(a, order="C") if isinstance(a, np.ndarray) else a for a in laid_out)
    for actual, expected in zip(results(name, laid_out, options), results(name, plain, options), strict=True):
        np.testing.assert_array_equal(actual, expected, strict=True)
        assert actual.dtype == np.float32
        assert actual.flags.writeable
        assert actual.flags.c_contiguous
        assert not any(np.shares_memory(actual, array) for array in arrays)
    for array, before in zip(arrays, (a for a in plain if isinstance(a, np.ndarray)), strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("name", calls())
def test_calls_share_nothing(name: str) -> None:
    arguments, options = calls()[name]
    first, second = results(name, arguments, options), results(name, arguments, options)
    for one, other in zip(first, second, strict=True):
        one.fill(99)
        assert not np.shares_memory(one, other)
        assert not (other == 99).all()


@pytest.mark.parametrize("dtype", ["int64", "object", ">f8", "bool"])
def test_no_opinion_on_other_dtypes(dtype: str) -> None:
    with pytest.raises(NotImplementedError, match="dtype is"):
        torch_oracle.avg_pool2d(np.ones((1, 1, 2, 2)).astype(dtype), (2, 2))


def test_no_opinion_on_gradients_of_a_window_wholly_in_padding() -> None:
    x, options = np.ones((1, 1, 5, 5)), {"stride": (1, 1), "padding": (1, 0), "dilation": (6, 1)}
    y = torch_oracle.max_pool2d(x, (2, 1), **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(y, np.full((1, 1, 1, 5), -np.inf))
    with pytest.raises(NotImplementedError, match="wholly in padding"):
        torch_oracle.max_pool2d_backward(y, x, (2, 1), **options)  # type: ignore[arg-type]


def test_the_package_alone_does_not_import_torch() -> None:
    modules = "oracles, oracles.definition, oracles.exact, oracles.finite_difference, oracles.identities"
    program = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
