"""Accounts that nodes share, kept in Valkey: the rule of `admission.gcra` as one atomic script, by Valkey's own clock."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from tintype.admission.quota.gcra import Policy
from tintype.admission.quota.lease import Leased
from tintype.coordination.link import Away, Link, Script

# ARGV: what is needed, what is welcome beyond (ms); then name, quota in ms and window in s of each policy. A need below zero
# gives back. Returns what was charged, and what each policy is owed now. Who owes nothing has no key.
_SPEND = Script("""
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local at = tonumber(redis.call('HGET', KEYS[1], 'at') or now)
local need, extra = tonumber(ARGV[1]), tonumber(ARGV[2])
local owed, allowed = {}, true
for i = 3, #ARGV, 3 do
  local quota, rate = tonumber(ARGV[i + 1]), ARGV[i + 1] / ARGV[i + 2]
  local before = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0)
  before = math.max(0, before - math.max(0, now - at) * rate)
  allowed = allowed and before - math.max(0, quota - math.max(0, need)) <= 0.001
  extra = math.min(extra, math.max(0, quota - before - need))
  owed[#owed + 1] = before
end
local charged = need < 0 and need or allowed and need + extra or 0
local kept, answer, lasts = {'at', string.format('%.6f', math.max(now, at))}, {string.format('%.6f', charged)}, 0
for i = 3, #ARGV, 3 do
  local after = math.max(0, owed[i / 3] + charged)
  kept[#kept + 1], kept[#kept + 2] = ARGV[i], string.format('%.6f', after)
  answer[#answer + 1] = string.format('%.6f', after)
  lasts = math.max(lasts, after * ARGV[i + 2] / ARGV[i + 1])
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(kept))
redis.call('PEXPIRE', KEYS[1], math.ceil(lasts * 1000) + 1)
return answer
""")


class ValkeyAccounts:
    """The `Accounts` port."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def lease(self, name: str, policies: Sequence[Policy], need_ms: float, extra_ms: float) -> Leased | None:
        try:
            return await self._spend(name, policies, need_ms, extra_ms)
        except Away:
            return None

    async def give_back(self, name: str, policies: Sequence[Policy], ms: float) -> None:
        with suppress(Away):
            await self._spend(name, policies, -ms, 0.0)

    async def _spend(self, name: str, policies: Sequence[Policy], need_ms: float, extra_ms: float) -> Leased:
        terms = [term for one in policies for term in (one.name, one.quota_ms, one.window_s)]
        key = self._link.key("quota", name)
        charged, *owed = await self._link.run(_SPEND, key, f"{need_ms:.6f}", f"{extra_ms:.6f}", *terms)
        return Leased(float(charged), {one.name: float(ms) for one, ms in zip(policies, owed, strict=True)})
