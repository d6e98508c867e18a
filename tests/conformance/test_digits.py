"""A small network on real data, end to end: trained on handwritten digits, beside the same network in PyTorch.

Convolution, ReLU, pooling, a fully connected layer (a convolution whose kernel is all of its input) and the softmax
cross-entropy, trained by plain SGD in float64. Both networks run free: each goes by its own gradients from the first
step to the last, and nothing is copied between them. There is no tolerance to choose, for three reasons.

**Forward is exact.** The pixels are multiples of 2**-4 (they count from 0 to 16). After each step both networks round
their parameters to multiples of 2**-20. Then the first layer's terms are multiples of 2**-24, averages of 4 of 2**-26,
the second layer's terms of 2**-46. As long as the sum of their magnitudes is less than 2**(53 - 46) = 128, which the
test checks, every partial sum is a float64, in every order of summation. So the logits agree to the bit, and with them
each ReLU's sign and each maximum's winner.

**Only the softmax rounds, and gradients are linear in what follows it.** With u = 2**-53 and gamma(n) = n*u/(1 - n*u)
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1), `loss_bound` and `gradient_bounds`
below bound how far each network can be from the true value; two networks are at most twice that apart.

**The growth factor of free running is 1.** The new parameters of both networks differ by their rounding, some 1e-16,
and the lattice is some 1e-6 wide: they round to the same point, unless the midpoint of two lies between them. Chances
of that are about 1e-10 for each of some 1e5 updates of a parameter. So the parameters stay equal to the bit, which is
asserted, and no step starts with an error left from the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from impl import AvgPool2d, Conv2d, MaxPool2d

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Array: TypeAlias = NDArray[np.floating[Any]]
Labels: TypeAlias = NDArray[np.int64]

CLASSES, FILTERS = 10, 8
STEPS, BATCH, RATE = 200, 64, 0.5
HELD_OUT = 500
LATTICE = 2.0**-20
U = 2.0**-53
SLACK = 1 + 2.0**-20  # for products of errors, each below 1e-11, and for the rounding of the bounds themselves

# Overlapping maxima, so that gradients have to be added; averages of 4, a power of two, so that they are exact.
POOLS: dict[str, tuple[Callable[[], Any], torch.nn.Module]] = {
    "average": (lambda: AvgPool2d(2), torch.nn.AvgPool2d(2)),
    "maximum": (lambda: MaxPool2d(3, stride=2, padding=1), torch.nn.MaxPool2d(3, stride=2, padding=1)),
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Arrays are too small to share out: threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def gamma(n: int) -> float:
    """Relative error of n roundings in a row."""
    return n * U / (1 - n * U)


def on_lattice(values: Array) -> Array:
    """Nearest multiples of LATTICE, a power of two: the scaling is exact."""
    rounded: Array = np.rint(values / LATTICE) * LATTICE
    return rounded


class Pass(NamedTuple):
    """One pass forward and backward."""

    logits: Array
    loss: float
    gradients: list[Array]


class Ours:
    """The network made of our layers."""

    def __init__(self, pool: Any) -> None:
        rng = np.random.default_rng(3)
        self.pool = pool
        self.features = Conv2d(1, FILTERS, 3, padding=1, rng=rng)
        self.classes = Conv2d(FILTERS, CLASSES, 4, rng=rng)
        self.update([np.zeros_like(parameter) for parameter in self.parameters])

    @property
    def parameters(self) -> list[Array]:
        """Weight and bias of the convolution, then of the fully connected layer."""
        return _given(self.features.weight, self.features.bias, self.classes.weight, self.classes.bias)

    def update(self, gradients: list[Array]) -> None:
        """Take a step of SGD, to the nearest point of the lattice."""
        self.features.weight, self.features.bias, self.classes.weight, self.classes.bias = (
            on_lattice(parameter - RATE * gradient)
            for parameter, gradient in zip(self.parameters, gradients, strict=True)
        )

    def forward(self, x: Array) -> Array:
        """Logits, N x CLASSES."""
        self.before_relu = self.features.forward(x)
        self.pooled = self.pool.forward(np.maximum(self.before_relu, 0))
        return self.classes.forward(self.pooled)[:, :, 0, 0]

    def backward(self, grad_logits: Array) -> list[Array]:
        """Gradients in the order of `parameters`."""
        grad_relu = self.pool.backward(self.classes.backward(grad_logits[:, :, np.newaxis, np.newaxis]))
        self.features.backward(np.where(self.before_relu > 0, grad_relu, 0))
        return _given(
            self.features.grad_weight, self.features.grad_bias, self.classes.grad_weight, self.classes.grad_bias
        )

    def run(self, x: Array, labels: Labels) -> Pass:
        """Forward and backward, with the mean cross-entropy of the softmax as the loss."""
        logits, target = self.forward(x), np.eye(CLASSES)[labels]
        shifted = logits - logits.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        total = exponentials.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(total[:, 0]) - np.sum(shifted * target, axis=1))
        return Pass(logits, float(loss), self.backward((exponentials / total - target) / len(x)))


class Theirs:
    """The network in PyTorch, with a linear layer where ours has a convolution."""

    def __init__(self, pool: torch.nn.Module, parameters: list[Array]) -> None:
        self.net = torch.nn.Sequential(
            torch.nn.Conv2d(1, FILTERS, 3, padding=1),
            torch.nn.ReLU(),
            pool,
            torch.nn.Flatten(),
            torch.nn.Linear(FILTERS * 4 * 4, CLASSES),
        ).double()
        with torch.no_grad():
            for parameter, values in zip(self.net.parameters(), parameters, strict=True):
                parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))

    @property
    def parameters(self) -> list[Array]:
        """Parameters in the order of ours."""
        return [parameter.detach().numpy() for parameter in self.net.parameters()]

    def update(self, gradients: list[Array]) -> None:
        """Take a step of SGD, to the nearest point of the lattice."""
        with torch.no_grad():
            for parameter, gradient in zip(self.net.parameters(), gradients, strict=True):
                parameter.copy_(torch.from_numpy(on_lattice(parameter.numpy() - RATE * gradient)))

    def run(self, x: Array, labels: Labels) -> Pass:
        """Forward and backward, with the mean cross-entropy of the softmax as the loss."""
        logits = self.net(torch.from_numpy(x))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        gradients = torch.autograd.grad(loss, list(self.net.parameters()))
        return Pass(logits.detach().numpy(), loss.item(), [gradient.numpy() for gradient in gradients])


def _given(*arrays: Array | None) -> list[Array]:
    return [array for array in arrays if array is not None]


def sums_of_magnitudes(ours: Ours) -> Array:
    """Sum of the magnitudes of each logit's terms, for the last forward pass; what is pooled is not negative."""
    weight, bias = map(np.abs, ours.parameters[2:])
    sums: Array = ours.pooled.reshape(-1, FILTERS * 4 * 4) @ weight.reshape(CLASSES, -1).T + bias
    return sums


def exponential_bound(logits: Array) -> Array:
    """Bound the relative error of exp(z - max z) and of its sum over the classes, for each image.

    z - max z is rounded once, which changes its exponential by a factor exp(u*|z - max z|). Exponential and logarithm
    are taken to be right to 2 units in the last place, 4u, where libraries promise 1. A sum of positive terms adds
    gamma(n - 1).
    """
    bound: Array = np.expm1(U * np.ptp(logits, axis=1)) + 4 * U + gamma(CLASSES)
    return bound * SLACK


def log_softmax_bound(logits: Array) -> Array:
    """Bound the error of log(sum exp(z - max z)) - (z - max z), however it is associated, for each image.

    A relative error e of the sum changes its logarithm by at most -log(1 - e); the logarithm itself, at most
    log(CLASSES), has an error of 4u; and there are three roundings of differences of z, max z and the logarithm.
    """
    magnitude = 2 * np.abs(logits).max(axis=1) + np.log(CLASSES)
    bound: Array = -np.log1p(-exponential_bound(logits)) + 4 * U * np.log(CLASSES) + gamma(3) * magnitude
    return bound * SLACK


def loss_bound(logits: Array) -> float:
    """Bound the error of the mean of the images' losses, none larger than twice max |z| plus log(CLASSES)."""
    magnitude = 2 * np.abs(logits).max(axis=1) + np.log(CLASSES)
    return float(np.mean(log_softmax_bound(logits) + gamma(len(logits) + 1) * magnitude) * SLACK)


def gradient_bounds(ours: Ours, logits: Array, labels: Labels) -> list[Array]:
    """Bound the errors of the gradients by the parameters, for the last forward pass.

    The gradient by a logit is (softmax - target) / N. The softmax is a quotient of exponentials, or the exponential
    of its logarithm, so its relative error is less than the errors of both ways together; then there are at most 4
    roundings, of terms no larger than softmax + target.

    All that follows is sums of products of this gradient with weights and activations that are exact. The error of
    such a chain is at most gamma(roundings) times the same chain of magnitudes (Higham, (3.5)), and that is what our
    layers give for magnitudes. Roundings on the longest way: CLASSES for the sum over the classes, 4 for the windows
    that meet in a pixel, and 64 an image for the weight, which sums over all images and pixels.
    """
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
    magnitude = (softmax + np.eye(CLASSES)[labels]) / len(logits)
    error = 2 * exponential_bound(logits) + np.expm1(log_softmax_bound(logits)) + 4 * U + gamma(4)
    error += gamma(CLASSES + 4 + 64 * len(logits))
    signed = ours.classes.weight
    ours.classes.weight = np.abs(signed)
    bounds = ours.backward(magnitude * error[:, np.newaxis] * SLACK)
    ours.classes.weight = signed
    return bounds


@pytest.mark.parametrize("pool", POOLS)
def test_training_beside_pytorch(pool: str) -> None:
    """Losses, gradients and parameters agree at each step, and the network learns to read."""
    digits = load_digits()
    images, labels = digits.images[:, np.newaxis] / 16, digits.target.astype(np.int64)
    train, held_out = slice(HELD_OUT, None), slice(None, HELD_OUT)
    rng = np.random.default_rng(5)
    ours = Ours(POOLS[pool][0]())
    theirs = Theirs(POOLS[pool][1], ours.parameters)
    losses: list[float] = []
    for _ in range(STEPS):
        batch = rng.choice(len(images) - HELD_OUT, BATCH, replace=False)
        x, y = images[train][batch], labels[train][batch]
        actual, expected = ours.run(x, y), theirs.run(x, y)

        assert sums_of_magnitudes(ours).max() < 2.0**7, "the premise: every partial sum of the logits is a float64"
        np.testing.assert_array_equal(actual.logits, expected.logits)
        assert abs(actual.loss - expected.loss) <= 2 * loss_bound(actual.logits)
        bounds = gradient_bounds(ours, actual.logits, y)
        for mine, other, bound in zip(actual.gradients, expected.gradients, bounds, strict=True):
            assert np.all(np.abs(mine - other.reshape(mine.shape)) <= 2 * bound)

        ours.update(actual.gradients)
        theirs.update(expected.gradients)
        for mine, other in zip(ours.parameters, theirs.parameters, strict=True):
            np.testing.assert_array_equal(mine, other.reshape(mine.shape))
        losses.append(actual.loss)

    assert np.mean(losses[-20:]) < np.mean(losses[:20]) / 4
    assert np.mean(ours.forward(images[held_out]).argmax(axis=1) == labels[held_out]) > 0.9
