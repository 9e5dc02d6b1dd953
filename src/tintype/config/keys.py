"""Keys of the embedded default: made once, kept in the data folder, so that URLs are signed without configuration."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from dataclasses import replace
from pathlib import Path

from tintype.config.values import Loaded
from tintype.core.errors import Misconfigured

FILE = "keys.json"
KEY_BYTES = 32


def with_keys(loaded: Loaded, *, create: bool = True) -> Loaded:
    """Return the configuration with the embedded keys, if it is the embedded default; else as it is.

    Args:
        loaded: the configuration.
        create: make the keys if there are none yet; else such a configuration is returned without keys.

    Raises:
        Misconfigured: the data folder cannot be written, or the file is damaged.
    """
    if not loaded.config.embedded:
        return loaded
    file = Path(loaded.config.data_dir) / FILE
    if create and not file.exists():
        _make(file)
    return _put(loaded, file) if file.exists() else loaded


def _make(file: Path) -> None:
    """Write new keys so that a crash leaves all or nothing, and of two processes that start at once one wins."""
    made = {"id": "embedded", "key": secrets.token_hex(KEY_BYTES), "salt": secrets.token_hex(KEY_BYTES)}
    temp = file.with_name(f".{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            json.dump(made, out)
            out.flush()
            os.fsync(out.fileno())
        _link(temp, file)
    except OSError as error:
        raise Misconfigured(
            f"{file} cannot be written ({error.strerror}); set data_dir to a folder that can, or give keys and salts"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temp.unlink()


def _link(temp: Path, file: Path) -> None:
    try:
        os.link(temp, file)
    except FileExistsError:
        return
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _put(loaded: Loaded, file: Path) -> Loaded:
    key, salt, name = _read(file)
    tenant = loaded.config.tenants[0]
    imgproxy = replace(tenant.imgproxy, keys=(key,), salts=(salt,), key_ids=(name,))
    given = {"tenants.default.keys": (key,), "tenants.default.salts": (salt,), "tenants.default.key_ids": (name,)}
    return replace(
        loaded,
        config=replace(loaded.config, tenants=(replace(tenant, imgproxy=imgproxy),)),
        settings=tuple(
            replace(s, value=given[s.name], origin=str(file)) if s.name in given else s for s in loaded.settings
        ),
    )


def _read(file: Path) -> tuple[str, str, str]:
    try:
        kept = json.loads(file.read_text())
        key, salt, name = kept["key"], kept["salt"], kept["id"]
        if min(len(bytes.fromhex(key)), len(bytes.fromhex(salt))) < 16 or not isinstance(name, str):
            raise ValueError
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise Misconfigured(
            f"{file} is damaged; put back a copy, or remove it to get new keys (URLs signed with the old ones end)"
        ) from None
    return key, salt, name
