"""Trains as ``cnnkit train`` does under torchrun; each rank writes down how it ended.

    torchrun --nproc-per-node=2 each_rank.py OUT ENDED RECIPE

writes checkpoints into the folder OUT, and into the files ENDED0, ENDED1 the messages.
"""

import json
import sys
from pathlib import Path

from cnnkit import distributed
from cnnkit.recipe import Recipe
from cnnkit.train import Stopped, fit

out, ended, recipe = sys.argv[1:]
try:
    fit(Recipe(**json.loads(recipe)), out=out, device="cpu")
except Stopped as stopped:
    Path(f"{ended}{distributed.rank()}").write_text(str(stopped))
    sys.exit(128 + stopped.signal_number)
