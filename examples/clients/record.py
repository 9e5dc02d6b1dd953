# ruff: noqa: INP001 - a script, not a package
"""Builds URLs with Python clients of imgproxy and prints what they are and what they mean; see README.md."""

import importlib.metadata
import json

import imgproxy
import imgproxy_python.urls
import mkimgproxy
import pyimgproxy

KEY = "943b421c9eb07c830af81030552c86009268de4e532ba2ee2eab8247c6da0881"
SALT = "520f986b998545b4785e0defbc4f3c1203f22de2374a3d53cb7a7fe9fea309c5"
HOST = "https://img.example.com"
CAT = "https://example.com/images/cat.jpg"
QUERY = "https://example.com/a b.jpg?size=1&x=%20@2"


def record(client: str, call: str, means: str | None, url: str, source: str = CAT) -> None:
    """Print a line; `means` None says that imgproxy 4 refuses the URL."""
    facts = {
        "client": client,
        "version": importlib.metadata.version(client),
        "call": call,
        "means": None if means is None else {"options": means, "source": source},
        "url": url.removeprefix(HOST),
    }
    print(json.dumps(facts))  # noqa: T201 - a script whose output is recorded


def record_imgproxy() -> None:
    make = imgproxy.ImgProxy.factory(proxy_host=HOST, key=KEY, salt=SALT)
    for call, means, kwargs, advanced in [
        ("defaults", "rs:auto:0:0:0", {}, ()),
        ("box", "rs:fit:300:200", {"resizing_type": "fit", "width": 300, "height": 200}, ()),
        (
            "gravity",
            "rs:fill:9:9:1/g:sm",
            {"resizing_type": "fill", "width": 9, "height": 9, "gravity": "sm", "enlarge": True},
            (),
        ),
        ("extension", "rs:auto:9/f:webp", {"width": 9, "extension": "webp"}, ()),
        ("advanced", "rs:auto:9/bl:5/q:40", {"width": 9}, ("bl:5", "q:40")),
    ]:
        record("imgproxy", call, means, str(make(CAT, *advanced, **kwargs)))
    record("imgproxy", "query", "rs:auto:9", str(make(QUERY, width=9)), QUERY)


def record_pyimgproxy() -> None:
    image = pyimgproxy.ImgProxy(HOST, KEY, SALT).image
    for call, means, built in [
        ("nothing", "", image(CAT)),
        ("resize", "rs:fill:300:200:1", image(CAT).resize("fill", 300, 200, enlarge=True)),
        ("resize width", "rs:fit:300", image(CAT).resize(width=300)),
        ("resize extend", "rs:fit:30:20/ex:1:so:1:2", image(CAT).resize("fit", 30, 20, False, True, "so", 1, 2)),
        ("size", "rs:fit:300:0:1", image(CAT).size(300, enlarge=True)),
        ("min", "rs:fit:9/mw:20/mh:30", image(CAT).width(9).min_width(20).min_height(30)),
        ("zoom", "rs:fit:9/z:1.5:2", image(CAT).width(9).zoom(1.5, 2)),
        ("dpr", "rs:fit:9/dpr:2", image(CAT).width(9).dpr(2)),
        ("extend", "rs:fit:9:9/ex:1:no", image(CAT).size(9, 9).extend(True, "no")),
        ("blur sharpen", "bl:0.5/sh:2/pix:3", image(CAT).blur(0.5).sharpen(2).pixelate(3)),
        ("quality", "q:70/f:avif", image(CAT).quality(70).format("avif")),
        (
            "metadata",
            "sm:0/kcr:1/scp:0/eth:1",
            image(CAT).strip_metadata(False).keep_copyright(True).strip_color_profile(False).enforce_thumbnail(True),
        ),
        ("raw", "raw:1", image(CAT).raw(True)),
        ("delivery", "cb:v3/att:1", image(CAT).cachebuster("v3").return_attachment(True)),
        ("any option", "fn:cat/exp:4102444800", image(CAT).add_option("fn", "cat").add_option("exp", 4102444800)),
    ]:
        record("pyimgproxy", call, means, built.url)
    record("pyimgproxy", "query", "rs:fit:9", image(QUERY).width(9).url, QUERY)


def record_mkimgproxy() -> None:
    make = mkimgproxy.ImgProxy(KEY, SALT, HOST)
    record("mkimgproxy", "options", "rs:fill:300:200/g:no", make.generate(CAT, {"rs": "fill:300:200", "g": "no"}, None))
    record("mkimgproxy", "extension", "rs:fit:9/f:png", make.generate(CAT, {"w": 9}, "png"))


def record_imgproxy_python() -> None:
    config = {"imgproxy_key": KEY, "imgproxy_salt": SALT, "imgproxy_host": HOST, "options": {"width": 300}}
    record(
        "imgproxy-python",
        "syntax of version 1",
        None,
        imgproxy_python.urls.UrlGenerator(CAT, config).get_full_signed_url(),
    )


record_imgproxy()
record_pyimgproxy()
record_mkimgproxy()
record_imgproxy_python()
