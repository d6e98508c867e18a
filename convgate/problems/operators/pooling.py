"""What average and max pooling share: shapes and the rule for padding."""

from convgate.problems.operators.base import Shape, common_rule
from convgate.problems.problem import Problem

__all__ = ["pool_rule", "pool_shapes", "pool_work"]


def pool_shapes(problem: Problem) -> dict[str, Shape]:
    """Shapes of x and grad_output, which have as many channels."""
    return {
        "x": (problem.batch, problem.channels, *problem.size),
        "grad_output": (problem.batch, problem.channels, *(max(0, each) for each in problem.output_size)),
    }


def pool_rule(problem: Problem, options: frozenset[str]) -> str | None:
    """Rules of every operator, and PyTorch's: padding at most half of the kernel, dilated or not."""
    for axis in problem.axes:
        if axis.kernel_size > 0 and axis.padding > axis.kernel_size // 2:
            return f"padding {problem.padding} must be at most half of kernel_size {problem.kernel_size}"
    return common_rule(problem, options)


def pool_work(problem: Problem) -> int:
    """Pixels that a forward pass looks at."""
    return problem.batch * problem.channels * problem.places * problem.taps
