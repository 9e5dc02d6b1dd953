"""Settings of the imgproxy dialect of one tenant."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.settings import setting


@dataclass(frozen=True, slots=True)
class ImgproxySettings:
    """Keys and the knobs of the URL grammar; imgproxy's own defaults."""

    keys: tuple[str, ...] = setting((), "Signing keys, hex; paired with salts, tried in order.", secret=True)
    salts: tuple[str, ...] = setting((), "Salts, hex; as many as keys.", secret=True)
    key_ids: tuple[str, ...] = setting((), "Names of the keys, for logs and revocation; as many as keys, or none.")
    signature_size: int = setting(32, "Bytes of the signature that are compared, 1 to 32.", least=1, most=32)
    trusted_signatures: tuple[str, ...] = setting((), "Literal tokens accepted in place of a signature.", secret=True)
    source_key: str = setting(
        "", "AES key of encrypted source URLs, hex, 16, 24 or 32 bytes; empty = off.", secret=True
    )
    arguments_separator: str = setting(":", "Separates an option's arguments.")
    presets: tuple[tuple[str, str], ...] = setting(
        (), "Named options: name, options. `default` applies to every request."
    )
    only_presets: bool = setting(False, "Options of a URL are names of presets and nothing else.")
    allowed_options: tuple[str, ...] = setting((), "Names of options a URL may use; empty = all.")
    allow_security_options: bool = setting(False, "Let URLs set bounds for themselves (msr, msfs, maf, mafr, mrd).")
    auto_rotate: bool = setting(True, "Bring images upright by their EXIF orientation unless the URL says otherwise.")
    base_url: str = setting("", "Put before source URLs that do not begin with it.")
    url_replacements: tuple[tuple[str, str], ...] = setting(
        (), "Pattern and replacement, in order; * matches all but a slash."
    )
    base64_includes_filename: bool = setting(False, "The last path part of a base64 source is a name for people only.")
    allowed_sources: tuple[str, ...] = setting(
        (), "Prefixes that source URLs must begin with, * matches all but a slash; empty = all."
    )
    path_prefix: str = setting("", "Prefix of this tenant's paths, for writing URLs.", derived=True)
