"""Workers import the work by name, so its folder must be on their path too."""

import os
import sys
from pathlib import Path

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)
before = os.environ.get("PYTHONPATH")  # of an empty entry Python makes the folder one stands in
os.environ["PYTHONPATH"] = os.pathsep.join([HERE, before] if before else [HERE])
