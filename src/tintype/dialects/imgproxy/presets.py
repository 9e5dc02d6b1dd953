"""Presets: named options, checked and written out in full once, at construction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tintype.core.errors import BadRequest, Misconfigured
from tintype.dialects.imgproxy import options
from tintype.dialects.imgproxy.grammar import Spelled
from tintype.dialects.imgproxy.settings import ImgproxySettings
from tintype.dialects.imgproxy.wanted import Wanted

DEFAULT = "default"

# Options of one preset with all presets it calls; calls can double at every level.
_MOST_STEPS = 1000


class Presets:
    """The tenant's presets. What they set, the tenant has chosen: the list of allowed options does not bind them."""

    def __init__(self, settings: ImgproxySettings) -> None:
        self._trusted = settings.allow_security_options
        self._names = tuple(dict(settings.presets))
        separator = settings.arguments_separator
        spelled = {name: _spell(name, text, separator) for name, text in settings.presets}
        self._steps = {name: _write_out(name, spelled) for name in spelled}
        for name in spelled:
            self._check(name)

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    def start(self, *, auto_rotate: bool) -> Wanted:
        """Return the state that every request begins with: configured defaults, then the default preset."""
        wanted = Wanted(auto_rotate=auto_rotate)
        if DEFAULT in self._steps:
            self.apply(wanted, [DEFAULT])
        return wanted

    def apply(self, wanted: Wanted, names: Iterable[str]) -> None:
        """Apply presets in order.

        Raises:
            BadRequest: there is no such preset.
        """
        for name in names:
            steps = self._steps.get(name)
            if steps is None:
                raise BadRequest(f"there is no preset {name[:60]!a}; configure it, or leave it out")
            for step in steps:
                options.apply(wanted, step.name, step.args, trusted=self._trusted)

    def _check(self, name: str) -> None:
        try:
            self.apply(Wanted(), [name])
        except BadRequest as error:
            raise Misconfigured(f"presets.{name}: {error}") from error


def _spell(name: str, text: str, separator: str) -> list[Spelled]:
    spelled = []
    for part in text.strip().split("/"):
        option, *args = part.split(separator)
        if not args:
            raise Misconfigured(f"presets.{name}: {part!r} is no option; write name{separator}argument")
        spelled.append(Spelled(option, args))
    return spelled


def _write_out(name: str, spelled: dict[str, list[Spelled]]) -> tuple[Spelled, ...]:
    steps: list[Spelled] = []
    for count, step in enumerate(_walk(name, spelled, (name,)), 1):
        if step.name not in options.PRESET_NAMES:
            steps.append(step)
        if count > _MOST_STEPS:
            raise Misconfigured(f"presets.{name}: more than {_MOST_STEPS} options with the presets it calls")
    return tuple(steps)


def _walk(name: str, spelled: dict[str, list[Spelled]], callers: tuple[str, ...]) -> Iterator[Spelled]:
    for step in spelled[name]:
        yield step
        for called in step.args if step.name in options.PRESET_NAMES else ():
            if called not in spelled:
                raise Misconfigured(f"presets.{name}: there is no preset {called!r} to call")
            if called not in callers:  # a preset that calls itself is skipped, as in imgproxy
                yield from _walk(called, spelled, (*callers, called))
