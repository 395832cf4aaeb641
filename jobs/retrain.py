"""Retrain once, as configured.  python jobs/retrain.py jobs/retrain.yaml --once"""

import typer

from radlas.cli.study import retrain_

if __name__ == "__main__":
    typer.run(retrain_)
