"""API keys: who may ask, how much in all, and how often. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from its_agent.errors import InvalidOption

KEYS_VARIABLE = "ITS_GATEWAY_KEYS"
SHORTEST = 16
_SENDABLE = r"^[!-~]([ -~]*[!-~])?$"
"""Printable ASCII: what every client puts into a header in the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One client's key, and its limits; None where there is none."""

    name: str
    """What the log calls it."""
    digest: bytes
    compute: int | None = None
    """Compute units in all, from the start of the gateway."""
    per_minute: int | None = None
    """Requests that may be made in any minute."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    key: str = Field(min_length=SHORTEST, pattern=_SENDABLE)
    compute: int | None = Field(default=None, gt=0)
    per_minute: int | None = Field(default=None, gt=0)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    keys: dict[str, _Entry] = Field(min_length=1)


def keys_in(path: Path) -> tuple[Key, ...]:
    """Read a TOML file with a table [keys.NAME] for each: key, compute, per_minute.

    Raises InvalidOption, which quotes no key.
    """
    try:
        read = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(f"the file of keys {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError:
        raise InvalidOption(f"the file of keys {path} is not TOML") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidOption(
            f"the file of keys {path} is wrong at {place}: {first['msg']}"
        ) from None
    return distinct(
        Key(
            name=name,
            digest=_digest(entry.key),
            compute=entry.compute,
            per_minute=entry.per_minute,
        )
        for name, entry in read.keys.items()
    )


def keys_listed(
    text: str, *, compute: int | None = None, per_minute: int | None = None
) -> tuple[Key, ...]:
    """Read keys with commas between them, all with these limits. Raises InvalidOption."""
    listed = [key.strip() for key in text.split(",") if key.strip()]
    if any(len(key) < SHORTEST for key in listed):
        raise InvalidOption(f"{KEYS_VARIABLE} holds a key of less than {SHORTEST} characters")
    if not all(re.match(_SENDABLE, key) for key in listed):
        raise InvalidOption(f"{KEYS_VARIABLE} holds a key that is not printable ASCII")
    return distinct(
        Key(name=f"key {number}", digest=_digest(key), compute=compute, per_minute=per_minute)
        for number, key in enumerate(listed, start=1)
    )


def key_of(given: str, keys: Sequence[Key]) -> Key | None:
    """Find the key that was given; the time it takes tells nothing of the others."""
    digest, found = _digest(given), None
    for key in keys:
        if hmac.compare_digest(digest, key.digest):
            found = key
    return found


def distinct(keys: Iterable[Key]) -> tuple[Key, ...]:
    """The keys. Raises InvalidOption for a key, or a name, that two clients have."""
    every = tuple(keys)
    if len({key.digest for key in every}) < len(every):
        raise InvalidOption("the same key is given twice; give every client one of its own")
    if len({key.name for key in every}) < len(every):
        raise InvalidOption(
            "two keys have the same name; give every client of the file one of its own, and none "
            "that keys of the environment have: 'key 1', 'key 2' and so on"
        )
    return every


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
