"""The command ``convgate``, also as ``python -m convgate``."""

import sys

from convgate.plugins import PluginError

__all__ = ["run"]

USAGE = 2


def run() -> None:
    """Run the command; a plugin that is of no use is no verdict."""
    try:
        # its options are the formats, those of plugins among them
        from convgate.cli import main  # noqa: PLC0415 - so that an error can be caught

        main(prog_name="convgate")
    except PluginError as error:
        print(f"convgate: {error}", file=sys.stderr)  # noqa: T201 - this is a command
        sys.exit(USAGE)


if __name__ == "__main__":
    run()
