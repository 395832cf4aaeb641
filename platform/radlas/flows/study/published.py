"""A published version as verbs read it: its protocol, and the models that it was made with."""

from __future__ import annotations

from radlas.errors import ConfigError, StoreError
from radlas.learn.fitted import FittedModel
from radlas.learn.persist import load
from radlas.learn.study import StudyConfig
from radlas.places.documents import OLDER, Document, damaged
from radlas.places.within import within
from radlas.store.layout import Store
from radlas.store.models import model_folder, read_card


def study_of(card: Document) -> StudyConfig:
    """The protocol that a version was made by.

    Raises:
        StoreError: Its card holds none.
    """
    try:
        return StudyConfig.parse(card["study"])
    except ConfigError as error:
        raise damaged(card.where, f"its study: {error.what}", OLDER) from error


def load_model(store: Store, name: str, number: int, model: str) -> FittedModel:
    """A model of a version, one of the study's own or one beside them.

    Raises:
        StoreError: Its files are damaged, or are another model's.
    """
    folder = within(model_folder(store, name, number), model)
    found = load(folder)
    told = read_card(store, name, number).get("models", {}).get(model)
    if found.model != model or (told and told["digest"] != found.digest()):
        what = f"this is not the model that {name}@{number} was published with"
        raise StoreError(what, str(folder), "restore the folder from a copy, or train again")
    return found
