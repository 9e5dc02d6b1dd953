"""From what was asked to what will be done: `resolve(pipeline, info, offer, policy) -> Plan`, without touching a pixel.

The steps are a fold: each decider sees the image as the steps before it leave it. A plan that trims ends there, because
what follows depends on pixels; the worker then asks `resolve_rest` with the size it found.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from tintype.core.bounds import bounded, check_result, check_source
from tintype.core.cost import cost_of
from tintype.core.draft import Draft, Task
from tintype.core.finishing import FINISHING
from tintype.core.formats import FACTS, Format
from tintype.core.geometry import Size, View, upright
from tintype.core.info import ImageInfo
from tintype.core.ladder import decoder_part, ladder_of, rung_box, rung_for, rung_size
from tintype.core.loading import Loaded, first_load, scale_on_load
from tintype.core.negotiate import for_size, hinted, is_animation, output_format, passes_through, save_as
from tintype.core.offer import Offer
from tintype.core.pipeline import Flip, Orient, Pipeline, Rotate, SourceRef, Trim
from tintype.core.plan import FAST, Average, Load, Plan, Rest, Rung, Save, Scale, Step, ToWorking, TrimBorder
from tintype.core.policy import Light, Policy
from tintype.core.shaping import SHAPING
from tintype.core.sizing import Sizes, Wish, sizes_of
from tintype.core.walk import loaded


def resolve(pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy, rungs: Sequence[Rung] = ()) -> Plan:
    """Decide everything about a result that does not depend on pixels.

    Args:
        pipeline: what was asked.
        info: of the original.
        offer: what the client accepts.
        policy: what the tenant allows and prefers.
        rungs: the mezzanines there are; the plan's load says whether one is used.

    Raises:
        ImageTooLarge: the source is larger than the policy, or the pipeline's own bounds, allow.
        UnsupportedOutput: the format asked for cannot be written.
        BadRequest: the result would be larger than allowed.
    """
    ladder = tuple(rung for rung in ladder_of(info, policy) if rung in rungs) if rungs else ()
    ways = _resolved(pipeline, info, offer, policy, ladder)
    return ways.low or ways.plan


class Ways(msgspec.Struct, frozen=True):
    """How a result can be made: by `plan` from the original and, if one of the `ladder` will do, by `low` from that rung."""

    plan: Plan
    low: Plan | None = None
    ladder: tuple[Rung, ...] = ()


def resolve_ways(pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy) -> Ways:
    """Decide as `resolve` does, for the original and for the rungs that the source may have. Raises likewise.

    Where the source is decides nothing, and sites ask for images of few sizes in few ways: most of it was decided before.
    """
    return _ways(replace(pipeline, source=_ANYWHERE), info, offer, policy)


_ANYWHERE = SourceRef(url="")


@lru_cache(1024)  # some 3 KB each, with `plan._shape`
def _ways(pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy) -> Ways:
    return _resolved(pipeline, info, offer, policy, ladder_of(info, policy))


def _resolved(pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy, ladder: tuple[Rung, ...]) -> Ways:
    policy = bounded(policy, pipeline.bounds)
    if passes_through(pipeline.output, info, policy):
        return Ways(_untouched(info, policy))
    kind = output_format(pipeline, info, offer, policy)
    animated = is_animation(info, policy) and FACTS[kind].animation
    frames = min(info.frames, policy.frames) if animated else 1
    check_source(info, frames, policy)
    pipeline = _settled(hinted(pipeline, offer, policy), kind)
    load = first_load(info, policy, frames=frames, thumbnail=_thumbnail(pipeline, policy))
    trim = pipeline.find(Trim)
    if trim is None or animated:
        return _whole(pipeline, info, policy, kind, load, ladder)
    return Ways(_until_trim(trim, pipeline, info, policy, kind, load), ladder=ladder)


@lru_cache(1024)
def resolve_rung(rung: Rung, info: ImageInfo) -> Plan:
    """Decide how a rung is made from the original, which a result was resolved of before: bounds were held then.

    Metadata stays in it, for results that keep some. Nobody waits for it to come over a network: it is written fast.
    """
    size, box = rung_size(info, rung), rung_box(info, rung)
    shrink = decoder_part(info)
    load = Load(format=info.format, width=info.width // shrink, height=info.height // shrink, shrink=shrink)
    steps: tuple[Step, ...] = (ToWorking(light=Light.LINEAR),)
    if box > shrink:
        steps = (*steps, Average(width=size.width, height=size.height, box=box // shrink))
    save = Save(format=rung.format, quality=rung.quality, strip_metadata=False, effort=FAST)
    return _priced(Plan(load=load, steps=steps, save=save, rung=rung, width=size.width, height=size.height), info)


def resolve_rest(rest: Rest, width: int, height: int) -> Plan:
    """Decide what is left once a border is trimmed.

    The plan's load only gives the size: nothing is loaded, and its steps go on from the trimmed image, which is in
    working space already. Its `save` replaces that of the plan it continues.

    Args:
        rest: of that plan.
        width: of the trimmed image, as stored (not turned upright).
        height: likewise.

    Raises:
        BadRequest: the result would be larger than allowed.
    """
    kind = rest.pipeline.output.format or rest.info.format
    load = Load(format=rest.info.format, width=width, height=height)
    plan = _plan(_trimmed(rest.pipeline, rest.info, rest.policy, kind, load))
    check_result(plan, rest.policy)
    return plan


def _untouched(info: ImageInfo, policy: Policy) -> Plan:
    """Hand the source on. Its size is checked all the same: nobody is sent a bomb."""
    check_source(info, 1, policy)
    load = Load(format=info.format, width=info.width, height=info.height)
    size = loaded(load).turned(upright(info.orientation)[1])
    save = Save(format=info.format, sanitize=policy.sanitize_svg)
    return _priced(Plan(load=load, steps=(), save=save, passthrough=True, width=size.width, height=size.height), info)


def _settled(pipeline: Pipeline, format: Format) -> Pipeline:
    """Write the negotiated format into the pipeline, so that nothing after this asks the offer again."""
    return replace(pipeline, output=replace(pipeline.output, format=format))


def _thumbnail(pipeline: Pipeline, policy: Policy) -> bool:
    asked = pipeline.output.enforce_thumbnail
    return policy.enforce_thumbnail if asked is None else asked


def _keeps_profile(pipeline: Pipeline, info: ImageInfo, policy: Policy) -> bool:
    """Tell whether the result may be in the source's own colour space, which no rung is in."""
    strip = pipeline.output.strip_color_profile
    return info.profile and not (policy.strip_color_profile if strip is None else strip)


def _whole(
    pipeline: Pipeline, info: ImageInfo, policy: Policy, kind: Format, load: Load, ladder: tuple[Rung, ...]
) -> Ways:
    task = _task(pipeline, info, policy, kind, load)
    plan = _plan(task)
    check_result(plan, policy, vector=info.vector)
    rung = None
    if ladder and load.frames == 1 and not load.thumbnail and not _keeps_profile(pipeline, info, policy):
        rung = rung_for(task.sizes.reduction, info, ladder)
    if rung is None:
        return Ways(plan, ladder=ladder)
    # What differs is what is loaded, and how far that is from the size that the result has either way.
    low = scale_on_load(load, task.sizes, info, policy, angle=task.view.angle, rung=rung)
    return Ways(plan, _plan(replace(task, loaded=low), plan.save), ladder)


def _until_trim(trim: Trim, pipeline: Pipeline, info: ImageInfo, policy: Policy, kind: Format, load: Load) -> Plan:
    """Load at full size and trim; sizes and cost are those of the image with its border on."""
    guess = _plan(_trimmed(pipeline, info, policy, kind, load))
    border = TrimBorder(
        threshold=trim.threshold,
        color=trim.color,
        equal_horizontal=trim.equal_horizontal,
        equal_vertical=trim.equal_vertical,
    )
    steps = (_working(guess.save, info, Light.GAMMA), border)
    rest = Rest(pipeline=pipeline, info=info, offer=Offer(), policy=policy)
    cost = cost_of(replace(guess, load=load, steps=(*steps, *guess.steps)), info)
    return replace(guess, load=load, steps=steps, rest=rest, cost=cost)


def _task(pipeline: Pipeline, info: ImageInfo, policy: Policy, kind: Format, load: Load) -> Task:
    """Decide sizes and load."""
    view = view_of(pipeline, info)
    sizes = _sizes(loaded(load).turned(view.angle), pipeline, policy, vector=info.vector)
    done = scale_on_load(load, sizes, info, policy, angle=view.angle)
    return Task(pipeline, info, policy, kind, view, sizes, done, done)


def _trimmed(pipeline: Pipeline, info: ImageInfo, policy: Policy, kind: Format, load: Load) -> Task:
    """Decide sizes of a trimmed image. It is pixels already: no decoder can scale it, and vectors are none any more."""
    view = view_of(pipeline, info)
    size = loaded(load).turned(view.angle)
    done = Loaded(load, size)
    return Task(pipeline, info, policy, kind, view, _sizes(size, pipeline, policy), done, done, trimmed=True)


def _sizes(size: Size, pipeline: Pipeline, policy: Policy, *, vector: bool = False) -> Sizes:
    return sizes_of(size, Wish.of(pipeline, vector=vector, limit_px=policy.result_side_px))


def view_of(pipeline: Pipeline, info: ImageInfo) -> View:
    """Return how the stored image is to be shown."""
    mirror, angle = upright(info.orientation) if pipeline.find(Orient) else (False, 0)
    rotate, flip = pipeline.find(Rotate), pipeline.find(Flip) or Flip()
    return View(mirror, (angle + (rotate.angle if rotate else 0)) % 360, flip.horizontal, flip.vertical)


def _plan(task: Task, save: Save | None = None) -> Plan:
    """Fold the deciders over the image. `save`: how the result is written, if that is known."""
    load, kinds = task.loaded.load, {type(op) for op in task.pipeline.ops}
    draft = Draft(loaded(load), task.info.alpha)
    for kind, decide in _DECIDERS:
        step = decide(task, draft) if kind is None or kind in kinds else None
        draft = draft.then(step) if step else draft
    save = save or _save(task, draft.size, alpha=draft.alpha)
    light = task.policy.light if Scale in map(type, draft.steps) else Light.GAMMA
    steps = draft.steps if task.trimmed else (_working(save, task.info, light), *draft.steps)
    width, height = draft.size.width, draft.size.height
    plan = Plan(load=load, steps=steps, save=save, dpr=task.sizes.dpr, width=width, height=height)
    return _priced(plan, task.info)


_DECIDERS = (*SHAPING, *FINISHING)


def _save(task: Task, size: Size, *, alpha: bool) -> Save:
    kind = for_size(task.format, size, alpha=alpha)
    animated = task.loaded.load.frames > 1
    return save_as(kind, task.pipeline.output, task.info, task.policy, animated=animated)


def _working(save: Save, info: ImageInfo, light: Light) -> ToWorking:
    keep_profile = info.profile and not save.strip_color_profile
    return ToWorking(light=light, keep_depth=save.keep_depth, keep_profile=keep_profile)


def _priced(plan: Plan, info: ImageInfo) -> Plan:
    return replace(plan, cost=cost_of(plan, info))
