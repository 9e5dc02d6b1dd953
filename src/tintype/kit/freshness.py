"""How long an origin's answer may be used: RFC 9111 and RFC 5861 as pure functions of header values and `now`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import lru_cache
from math import log

import msgspec

from tintype.core.binding import Binding

# Longest lifetime believed, in seconds: what RFC 9111 asks a cache to take for "forever" (2^31), and far enough.
_FOREVER_S = 2**31
# How long an object version, whose bytes cannot change, is not asked for again.
_VERSIONED_S = 365 * 86_400.0
# Asked for again so many times the origin's time before the end at the least, and never before the last part of its life.
_SURE, _LAST_PART = 2.0, 0.25
# Answers that depend on who asks; `*` depends on more than any header says.
_PERSONAL = frozenset({"cookie", "authorization", "*"})
# Nothing is given back once it is taken (*+): origins write these, and must not make it try every split of a long blank.
_DIRECTIVE = re.compile(r'([!#$%&\'*+.^_`|~0-9A-Za-z-]++)\s*+(?:=\s*+("(?:[^"\\]|\\.)*+"|[^\s,;"]*+))?[^,]*+(?:,|$)')


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds where the origin says nothing. Seconds."""

    default_fresh_s: float = 0.0
    stale_while_revalidate_s: float = 60.0
    stale_if_error_s: float = 86_400.0


class Said(msgspec.Struct, frozen=True):
    """What an origin said of an answer's lifetime, header values as sent, "" = absent."""

    cache_control: str = ""
    expires: str = ""
    age_s: float = 0.0
    vary: str = ""
    set_cookie: bool = False
    versioned: bool = False


class Freshness(msgspec.Struct, frozen=True):
    """Unix seconds until which an answer is fresh, may be used while asking, and may be used because asking failed."""

    fresh_until: float
    stale_until: float
    error_until: float
    private: bool = False


class State(Enum):
    """What may be done with bytes known from before."""

    FRESH = "fresh"
    STALE = "stale"  # use them, and ask meanwhile
    ASK = "ask"


@lru_cache(256)  # origins say few different things
def directives(cache_control: str) -> Mapping[str, str]:
    """Read Cache-Control: lower-case names, unquoted arguments. Of numbers given twice the lowest counts."""
    found: dict[str, str] = {}
    for match in _DIRECTIVE.finditer(cache_control):
        name, value = match[1].lower(), (match[2] or "").strip('"')
        if name in found:
            value = min(found[name], value, key=lambda text: _seconds(text) or 0.0)
        found[name] = value
    return found


@lru_cache(256)  # each use of a binding asks
def names_lifetime(cache_control: str, expires: str) -> bool:
    """Return whether an origin said how long its answer may be used ("not at all" included)."""
    said = directives(cache_control)
    return bool(expires) or any(name in said for name in ("max-age", "s-maxage", "no-cache", "no-store"))


def judge(said: Said, rules: Rules, now: float) -> Freshness:
    """Return how long an answer received at `now` may be used, and whether it is one client's own.

    A lifetime of nothing ends the while-asking allowance too, unless the origin grants one: every use asks first.
    must-revalidate, proxy-revalidate and no-cache forbid every stale use; s-maxage (which implies proxy-revalidate)
    forbids those that the origin does not grant itself.
    """
    if said.versioned:
        return Freshness(now + _VERSIONED_S, now + _VERSIONED_S, now + _VERSIONED_S + rules.stale_if_error_s)
    told = directives(said.cache_control)
    private = "private" in told or "no-store" in told or said.set_cookie or bool(_names(said.vary) & _PERSONAL)
    lifetime_s = 0.0 if "no-cache" in told or private else _lifetime_s(told, said.expires, rules, now)
    fresh_until = now + max(0.0, lifetime_s - said.age_s)
    strict = private or not told.keys().isdisjoint(("must-revalidate", "proxy-revalidate", "no-cache"))
    if strict:
        return Freshness(fresh_until, fresh_until, fresh_until, private)
    ours = not told.keys() & {"s-maxage"}
    while_s = _seconds(told.get("stale-while-revalidate"))
    if while_s is None:
        while_s = rules.stale_while_revalidate_s if ours and lifetime_s > 0 else 0.0
    error_s = _seconds(told.get("stale-if-error"))
    if error_s is None:
        error_s = rules.stale_if_error_s if ours else 0.0
    stale_until = fresh_until + while_s
    return Freshness(fresh_until, stale_until, max(stale_until, fresh_until + error_s))


def state(fresh_until: float, stale_until: float, now: float) -> State:
    """Return what may be done with bytes at `now`."""
    if now < fresh_until:
        return State.FRESH
    return State.STALE if now < stale_until else State.ASK


def ahead_s(took_s: float, draw: float) -> float:
    """Return how long before its end a binding is to be asked for again, if its origin took so long. `draw`: in (0, 1].

    XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, 2015) draws at each request,
    asking early when now - took * ln(draw) >= end. Here it is drawn once for each answer of the origin, as requests that the
    memo answers draw nothing; so some time is sure, and the draw keeps nodes apart.
    """
    return took_s * (_SURE - log(draw))


def ends_at(binding: Binding, assume_fresh_s: float) -> float:
    """Return until when a binding is fresh, if one without a lifetime of its origin's is so for `assume_fresh_s`."""
    if names_lifetime(binding.cache_control, binding.expires):
        return binding.fresh_until
    return max(binding.fresh_until, binding.fetched_at + assume_fresh_s)


def state_of(binding: Binding, assume_fresh_s: float, now: float) -> State:
    """Return what may be done with a binding's bytes at `now`; `assume_fresh_s`: see `ends_at`."""
    return state(ends_at(binding, assume_fresh_s), binding.stale_until, now)


def renews_at(binding: Binding, assume_fresh_s: float) -> float:
    """Return from when on a binding is asked for again behind an answer, so that nobody waits when it ends."""
    end = ends_at(binding, assume_fresh_s)
    return end - min(binding.ahead_s, _LAST_PART * max(0.0, end - binding.fetched_at))


@lru_cache(256)  # what comes in now is dated now; reading a date takes 20 microseconds
def http_date(text: str) -> float | None:
    """Return Unix seconds of an HTTP date, None if it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _lifetime_s(told: Mapping[str, str], expires: str, rules: Rules, now: float) -> float:
    for name in ("s-maxage", "max-age"):
        if name in told:
            return _seconds(told[name]) or 0.0
    if expires:
        # Expires: 0 and other nonsense mean the past (RFC 9111, 5.3).
        return max(0.0, (http_date(expires) or 0.0) - now)
    return rules.default_fresh_s


def _seconds(text: str | None) -> float | None:
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    return float(min(int(text[:11]), _FOREVER_S))


def _names(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}
