"""Foreign text, from subjects and files, made safe to display."""

import re

__all__ = ["code", "cut", "fenced", "visible"]

# Characters that XML forbids, that control terminals or that readers do not see: controls except tab and newline,
# direction marks, surrogates, and noncharacters.
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")


def visible(text: str) -> str:
    r"""Text with invisible characters escaped, such as ``\x1b``."""
    return INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def cut(text: str, most: int) -> str:
    """The first `most` characters of a text, with its length if it is longer."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text):,} characters in all)"


def code(text: str) -> str:
    """Text as inline code in Markdown."""
    one_line = " ".join(visible(text).split())
    ticks = "`" * (longest_run(one_line) + 1)
    return f"{ticks} {one_line} {ticks}" if "`" in one_line or not one_line else f"{ticks}{one_line}{ticks}"


def fenced(text: str, language: str) -> str:
    """Text as a fenced code block in Markdown."""
    whole = visible(text)
    ticks = "`" * max(3, longest_run(whole) + 1)
    return f"{ticks}{language}\n{whole}\n{ticks}"


def longest_run(text: str) -> int:
    """Length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
