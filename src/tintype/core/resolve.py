"""From what was asked to what will be done: `resolve(pipeline, info, offer, policy) -> Plan`, without touching a pixel.

The steps are a fold: each decider sees the image as the steps before it leave it. A plan that trims ends there, because
what follows depends on pixels; the worker then asks `resolve_rest` with the size it found.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from msgspec.structs import replace

from tintype.core.bounds import bounded, check_result, check_source
from tintype.core.cost import cost_of
from tintype.core.draft import Draft, Task
from tintype.core.finishing import FINISHING
from tintype.core.formats import FACTS, Format
from tintype.core.geometry import Size, View, upright
from tintype.core.info import ImageInfo
from tintype.core.ladder import decoder_part, rung_box, rung_size
from tintype.core.loading import Loaded, first_load, scale_on_load
from tintype.core.negotiate import for_size, hinted, is_animation, output_format, passes_through, save_as
from tintype.core.offer import Offer
from tintype.core.pipeline import Flip, Orient, Pipeline, Rotate, Trim
from tintype.core.plan import FAST, Average, Load, Plan, Rest, Rung, Save, Scale, Step, ToWorking, TrimBorder
from tintype.core.policy import Light, Policy
from tintype.core.shaping import SHAPING
from tintype.core.sizing import Wish, sizes_of
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
    policy = bounded(policy, pipeline.bounds)
    if passes_through(pipeline.output, info, policy):
        return _untouched(info, policy)
    kind = output_format(pipeline, info, offer, policy)
    animated = is_animation(info, policy) and FACTS[kind].animation
    frames = min(info.frames, policy.frames) if animated else 1
    check_source(info, frames, policy)
    pipeline = _settled(hinted(pipeline, offer, policy), kind)
    load = first_load(info, policy, frames=frames, thumbnail=_thumbnail(pipeline, policy))
    trim = pipeline.find(Trim)
    if trim is None or animated:
        return _whole(pipeline, info, policy, kind, load, () if _keeps_profile(pipeline, info, policy) else rungs)
    return _until_trim(trim, pipeline, info, policy, kind, load)


def resolve_rung(rung: Rung, info: ImageInfo) -> Plan:
    """Decide how a rung is made from the original, which a result was resolved of before: bounds were held then.

    Metadata stays in it, for results that keep some. Nobody waits for it to come over a network: it is written fast.
    """
    size, box = rung_size(info, rung), rung_box(info, rung)
    shrink = decoder_part(info)
    load = Load(format=info.format, width=info.width // shrink, height=info.height // shrink, shrink=shrink)
    steps: tuple[Step, ...] = (ToWorking(light=Light.LINEAR),)
    if box > shrink:
        steps = (*steps, Average(**size._asdict(), box=box // shrink))
    save = Save(format=rung.format, quality=rung.quality, strip_metadata=False, effort=FAST)
    return _priced(Plan(load=load, steps=steps, save=save, rung=rung, **size._asdict()), info)


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
    plan = _plan(_task(rest.pipeline, rest.info, rest.policy, kind, load, trimmed=True))
    check_result(plan, rest.policy)
    return plan


def _untouched(info: ImageInfo, policy: Policy) -> Plan:
    """Hand the source on. Its size is checked all the same: nobody is sent a bomb."""
    check_source(info, 1, policy)
    load = Load(format=info.format, width=info.width, height=info.height)
    size = loaded(load).turned(upright(info.orientation)[1])
    save = Save(format=info.format, sanitize=policy.sanitize_svg)
    return _priced(Plan(load=load, steps=(), save=save, passthrough=True, **size._asdict()), info)


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
    pipeline: Pipeline, info: ImageInfo, policy: Policy, kind: Format, load: Load, rungs: Sequence[Rung]
) -> Plan:
    plan = _plan(_task(pipeline, info, policy, kind, load, rungs=rungs))
    check_result(plan, policy, vector=info.vector)
    return plan


def _until_trim(trim: Trim, pipeline: Pipeline, info: ImageInfo, policy: Policy, kind: Format, load: Load) -> Plan:
    """Load at full size and trim; sizes and cost are those of the image with its border on."""
    guess = _plan(_task(pipeline, info, policy, kind, load, trimmed=True))
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


def _task(
    pipeline: Pipeline,
    info: ImageInfo,
    policy: Policy,
    kind: Format,
    load: Load,
    *,
    rungs: Sequence[Rung] = (),
    trimmed: bool = False,
) -> Task:
    """Decide sizes and load. A trimmed image is pixels already: no decoder can scale it, and vectors are none any more."""
    view = view_of(pipeline, info)
    size = loaded(load).turned(view.angle)
    vector = info.vector and not trimmed
    sizes = sizes_of(size, Wish.of(pipeline, vector=vector, limit_px=policy.result_side_px))
    if trimmed:
        done = original = Loaded(load, size)
    else:
        original = scale_on_load(load, sizes, info, policy, angle=view.angle)
        done = scale_on_load(load, sizes, info, policy, angle=view.angle, rungs=rungs) if rungs else original
    return Task(pipeline, info, policy, kind, view, sizes, done, original, trimmed)


def view_of(pipeline: Pipeline, info: ImageInfo) -> View:
    """Return how the stored image is to be shown."""
    mirror, angle = upright(info.orientation) if pipeline.find(Orient) else (False, 0)
    rotate, flip = pipeline.find(Rotate), pipeline.find(Flip) or Flip()
    return View(mirror, (angle + (rotate.angle if rotate else 0)) % 360, flip.horizontal, flip.vertical)


def _plan(task: Task) -> Plan:
    """Fold the deciders over the image."""
    load = task.loaded.load
    first = Draft(size=loaded(load), alpha=task.info.alpha)
    draft = reduce(lambda draft, decide: draft.then(decide(task, draft)), (*SHAPING, *FINISHING), first)
    save = _save(task, draft.size, alpha=draft.alpha)
    scales = any(isinstance(step, Scale) for step in draft.steps)
    working = _working(save, task.info, task.policy.light if scales else Light.GAMMA)
    steps = draft.steps if task.trimmed else (working, *draft.steps)
    plan = Plan(load=load, steps=steps, save=save, dpr=task.sizes.dpr, **draft.size._asdict())
    return _priced(plan, task.info)


def _save(task: Task, size: Size, *, alpha: bool) -> Save:
    kind = for_size(task.format, size, alpha=alpha)
    animated = task.loaded.load.frames > 1
    return save_as(kind, task.pipeline.output, task.info, task.policy, animated=animated)


def _working(save: Save, info: ImageInfo, light: Light) -> ToWorking:
    keep_profile = info.profile and not save.strip_color_profile
    return ToWorking(light=light, keep_depth=save.keep_depth, keep_profile=keep_profile)


def _priced(plan: Plan, info: ImageInfo) -> Plan:
    return replace(plan, cost=cost_of(plan, info))
