"""Train as configured.  python jobs/train.py jobs/train.yaml --engine local"""

from radlas.entry import run
from radlas.flows.train import TrainConfig, train

if __name__ == "__main__":
    run(train, TrainConfig)
