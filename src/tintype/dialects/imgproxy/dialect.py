"""The dialect: imgproxy's URLs in, verified requests out, and back."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from msgspec.structs import replace

from tintype.core.asked import Asked
from tintype.core.errors import BadRequest, Expired, Misconfigured
from tintype.dialects.imgproxy import grammar, options, refusal
from tintype.dialects.imgproxy.build import build, sourced
from tintype.dialects.imgproxy.format import path_of, preset_paths_of
from tintype.dialects.imgproxy.presets import Presets
from tintype.dialects.imgproxy.settings import ImgproxySettings
from tintype.dialects.imgproxy.shown import Shown
from tintype.dialects.imgproxy.sign import Signatures
from tintype.dialects.imgproxy.source import SourceReader
from tintype.dialects.imgproxy.wanted import Wanted

# Texts of options whose requests are remembered, each by the extensions that came with it: sites have a few dozen.
_REMEMBERED = 256


class Imgproxy:
    """One tenant's imgproxy dialect; see `ports.Dialect`. Raises Misconfigured when its settings contradict themselves."""

    name = "imgproxy"

    def __init__(self, settings: ImgproxySettings) -> None:
        if not settings.arguments_separator or "/" in settings.arguments_separator:
            raise Misconfigured("arguments_separator must not be empty or contain a slash")
        self._separator = settings.arguments_separator
        self._only_presets = settings.only_presets
        self._allowed = frozenset(settings.allowed_options)
        self._trusted = settings.allow_security_options
        self._signatures = Signatures(settings)
        self._sources = SourceReader(settings)
        self._shown = Shown(settings)
        self._presets = Presets(settings)
        self._start = self._presets.start(auto_rotate=settings.auto_rotate)
        # Options repeat, sources do not. What is wrong is not remembered.
        self._wanted = lru_cache(_REMEMBERED)(self._read_options)
        self._template = lru_cache(_REMEMBERED)(self._build)

    def parse(self, target: str, now: float) -> Asked:
        """Read a raw request target; see `ports.Dialect.parse`."""
        signature, path = grammar.split(target)
        key = self._signatures.verify(signature, path)
        asked = self._read(path, key)
        if 0 < asked.delivery.expires_at < int(now):
            raise Expired
        return asked

    def format(self, asked: Asked) -> str:
        """Write the canonical target, signed with the first key, without the tenant's path prefix.

        Raises:
            BadRequest: the language, or this tenant's presets and settings, have no words for the request.
        """
        path = self._preset_path(asked) if self._only_presets else self._option_path(asked)
        return f"/{self._signatures.sign(path)}{path}"

    def refusal(self, error: Exception) -> tuple[int, str]:
        """Return the status and text that imgproxy answers with."""
        return refusal.refusal(error)

    def shown(self, target: str) -> str:
        """Return a target for the log; see `ports.Dialect.shown`."""
        return self._shown(target)

    def _read(self, path: str, key: str = "") -> Asked:
        said, source = grammar.take_presets(path) if self._only_presets else grammar.take_apart(path, self._separator)
        self._wanted(said)  # what is wrong with options is told before what is wrong with the source
        url, extension = self._sources.read(source)
        return sourced(self._template(said, extension), url, key)

    def _read_options(self, said: str) -> Wanted:
        """Return what options ask for, for all who say the same: it is not to be changed."""
        wanted = self._start.copy()
        if self._only_presets:
            self._presets.apply(wanted, said.split(self._separator))
        else:
            self._apply(wanted, grammar.spelled(said, self._separator))
        return wanted

    def _build(self, said: str, extension: str) -> Asked:
        wanted = self._wanted(said)
        if extension and not wanted.raw:
            wanted = wanted.copy()
            options.apply(wanted, "ext", [extension], trusted=self._trusted)
        return build(wanted)

    def _apply(self, wanted: Wanted, spelled: Iterable[grammar.Spelled]) -> None:
        for name, args in spelled:
            if self._allowed and name not in self._allowed:
                raise BadRequest(f"option {name[:60]!a} is not one of allowed_options: {', '.join(self._allowed)}")
            if name in options.PRESET_NAMES:
                self._presets.apply(wanted, args)
            else:
                options.apply(wanted, name, args, trusted=self._trusted)

    def _option_path(self, asked: Asked) -> str:
        try:
            path = path_of(asked, self._start, self._separator, self._allowed)
        except (KeyError, ValueError, OverflowError) as error:
            raise BadRequest(f"this request has no imgproxy URL: {error}") from error
        if not self._says(path, asked):
            raise BadRequest("this request has no imgproxy URL, or none that presets and settings of the tenant allow")
        return path

    def _preset_path(self, asked: Asked) -> str:
        paths = preset_paths_of(asked, self._presets.names)
        path = next((path for path in paths if self._says(path, asked)), None)
        if path is None:
            raise BadRequest("only presets are allowed in URLs here, and none of them says this")
        return path

    def _says(self, path: str, asked: Asked) -> bool:
        """Whether a path means the request when it comes back; what reads it is the judge."""
        signature, _, _ = self._signatures.sign(path).partition("/")
        try:
            return self._read(grammar.split(f"/{signature}{path}")[1]) == replace(asked, key="")
        except BadRequest:
            return False
