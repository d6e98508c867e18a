"""``python -m convgate`` is the command ``convgate``."""

from convgate.cli import main

if __name__ == "__main__":
    main(prog_name="convgate")
