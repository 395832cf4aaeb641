"""The ``radlas`` command. One file per group of verbs."""

from radlas.cli.app import app
from radlas.cli.data import register as _data
from radlas.cli.features import register as _features
from radlas.cli.health import register as _health
from radlas.cli.lake import register as _lake
from radlas.cli.models import register as _models
from radlas.cli.schedule import register as _schedule
from radlas.cli.snapshots import register as _snapshots
from radlas.cli.study import register as _study
from radlas.cli.weights import register as _weights

_data(app)
_health(app)
_lake(app)
_features(app)
_snapshots(app)
_study(app)
_schedule(app)
_models(app)
_weights(app)

__all__ = ["app"]
