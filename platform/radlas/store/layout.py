"""The store: one folder, its format, its site key."""

from __future__ import annotations

import json
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from radlas.digests import pseudonym
from radlas.errors import StoreError

FORMAT = 3
_FOLDERS = ("volumes", "lake", "feature_sets", "snapshots", "models")


@dataclass(frozen=True)
class Store:
    """An open store.

    Attributes:
        root: Its folder.
        store_id: Given once, by ``init``.
        key_check: Pseudonym of a constant under the site key: tells a wrong key from the right one.
        features_only: True for an export: there are no volumes, and that is no damage.
    """

    root: Path
    store_id: str
    key_check: str
    features_only: bool = False

    @property
    def key_path(self) -> Path:
        """Where the site key is looked for: beside the store, never in it."""
        return _key_path(self.root)

    def key(self) -> bytes:
        """The site's secret for pseudonyms.

        Raises:
            StoreError: The key is missing, or is not the one this store was made with.
        """
        try:
            key = bytes.fromhex(self.key_path.read_text(encoding="ascii").strip())
        except FileNotFoundError:
            raise StoreError(
                "the site key is missing; without it the same patient would get a second name",
                str(self.key_path),
                "restore the key file, or name it with RADLAS_KEY",
            ) from None
        except ValueError:
            raise StoreError(
                "not a site key: expected hexadecimal digits", str(self.key_path)
            ) from None
        if _check(key) != self.key_check:
            raise StoreError(
                "this is not the key the store was made with", str(self.key_path), "find the other"
            )
        return key


def init_store(root: Path, key_file: Path | None = None) -> Store:
    """Make an empty store and its site key beside it.

    Args:
        root: Folder to make; may exist if empty.
        key_file: A site key to copy; otherwise one is drawn.

    Raises:
        StoreError: There is a store, or something else, already.
    """
    if "%" in str(root.absolute()):
        raise StoreError("a path with % cannot hold a lake", str(root), "choose another folder")
    if (root / "radlas.json").exists():
        raise StoreError("there is a store already", str(root), "use it, or choose another folder")
    if root.exists() and any(root.iterdir()):
        raise StoreError("the folder is not empty", str(root), "choose an empty folder")
    key_path = _key_path(root)
    if key_file is None and key_path.exists():
        key_file = key_path
    text = _read_key(key_file) if key_file else secrets.token_hex(32)
    if key_path.exists() and _read_key(key_path) != text:
        raise StoreError(
            "another site key lies where this store's key belongs: somebody may still need it",
            str(key_path),
            "move it away, or choose another folder for the store",
        )
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    if key_file != key_path:
        descriptor = os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text + "\n")
    head = {
        "format": FORMAT,
        "store_id": uuid.uuid4().hex,
        "key_check": _check(bytes.fromhex(text)),
    }
    (root / "radlas.json").write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
    return open_store(root)


def open_store(root: Path) -> Store:
    """Open a store.

    Raises:
        StoreError: There is none, or it is of another format version.
    """
    root = root.absolute()
    try:
        head = json.loads((root / "radlas.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError("no store here", str(root), f"make one: radlas init {root}") from None
    except ValueError as error:
        raise StoreError(f"radlas.json is damaged: {error}", str(root), "restore it") from error
    if head.get("format") != FORMAT:
        raise StoreError(
            f"format {head.get('format')}, this radlas reads {FORMAT}",
            str(root),
            "use the radlas that made it, or ingest the sources into a new store",
        )
    return Store(root, head["store_id"], head["key_check"], head.get("features_only", False))


def _key_path(root: Path) -> Path:
    return Path(os.environ.get("RADLAS_KEY") or f"{root}.key")


def _check(key: bytes) -> str:
    return pseudonym(key, "radlas", "key-check")


def _read_key(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii").strip()
        if len(bytes.fromhex(text)) < 16:
            raise ValueError("shorter than 128 bits")
    except (OSError, ValueError) as error:
        raise StoreError(f"not a site key: {error}", str(path), "32 bytes as hex digits") from None
    return text
