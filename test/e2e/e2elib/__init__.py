"""What the end-to-end tests share."""

import sys
from pathlib import Path

# The ELF reader is that of the comparison with the originals.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fidelity"))
