"""The block sizes that vectors, tiles and unrolled loops take: sources, classes and conditions read them here."""

__all__ = ["BLOCKS", "FEW", "LEAST_BLOCK", "is_past_block", "is_whole"]

# Widths of vectors and blocks: a count that is a multiple of one takes the fast path, one past it leaves a tail.
BLOCKS = (2, 4, 8, 16, 32, 64)
# The least block that counts as one in shape classes: pairs are everywhere.
LEAST_BLOCK = 4
# A count up to this that is no whole block is few: too small for most blocks to be entered at all.
FEW = 8


def is_whole(count: int) -> bool:
    """Whether a count is a whole number of blocks, with no tail."""
    return count > 0 and count % LEAST_BLOCK == 0


def is_past_block(count: int) -> bool:
    """Whether a count fills a block and leaves a tail behind it."""
    return count > FEW and not is_whole(count)
