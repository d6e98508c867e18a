"""Make the planted faults and the correct subjects importable."""

import sys
from pathlib import Path

HERE = Path(__file__).parent

sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "correct")]
