"""Vectors draw the same after sanitising, and can neither run, nor fetch, nor grow."""

from __future__ import annotations

import gzip
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.pictures import decoded, run, svg
from tintype.core.errors import BrokenImage, ImageError, ImageTooLarge, UnsupportedImage
from tintype.core.formats import Format
from tintype.worker.svg import css, sanitise

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
XHTML = 'xmlns:h="http://www.w3.org/1999/xhtml"'
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

# Each must lose every trace of EVIL.
EVIL = [
    "<script>EVIL</script>",
    "<SCRIPT>EVIL</SCRIPT>",
    '<x:script xmlns:x="http://www.w3.org/2000/svg">EVIL</x:script>',
    "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'>EVIL</body></foreignObject>",
    "<g><g><script><g>EVIL</g></script></g></g>",
    '<rect onclick="EVIL"/>',
    '<rect onLoad="EVIL" width="1"/>',
    '<rect x:onload="EVIL" xmlns:x="http://x"/>',
    '<a href="javascript:EVIL">x</a>',
    '<a href=" java\tscript:EVIL">x</a>',
    '<image href="http://EVIL/x.png"/>',
    f'<image xlink:href="file:///EVIL" {XLINK}/>',
    '<image href="//EVIL/x.png"/>',
    '<image href="EVIL.png"/>',
    '<image href="data:image/svg+xml;base64,EVIL"/>',
    '<image href="data:text/html,EVIL"/>',
    '<use href="http://EVIL/x.svg#a"/>',
    '<use href="data:image/png;base64,EVIL"/>',
    '<feImage href="http://EVIL/"/>',
    '<rect fill="url(http://EVIL/#a)"/>',
    "<rect fill=\"url('http://EVIL/#a')\"/>",
    '<rect style="fill: url( http://EVIL )"/>',
    '<rect style="fill: u\\72l(http://EVIL)"/>',
    '<rect style="fill: \\75 rl(http://EVIL)"/>',
    '<rect style="fill: url(http://EVIL"/>',
    '<rect style="-moz-binding: url(http://EVIL)"/>',
    "<style>@import 'http://EVIL';</style>",
    "<style>@im/**/port url(http://EVIL); @\\69mport 'EVIL';</style>",
    "<style>@font-face { font-family: x; src: url(http://EVIL) }</style>",
    "<style>a { background: image-set('http://EVIL' 1x) }</style>".replace(
        "image-set('http://EVIL' 1x)", "url(http://EVIL)"
    ),
    "<style><![CDATA[ a { fill: url(http://EVIL) } ]]></style>",
    '<g xml:base="http://EVIL/"/>',
    '<set attributeName="href" to="EVIL"/>',
    '<animate attributeName="xlink:href" values="EVIL"/>',
    '<set attributeName="onclick" to="EVIL"/>',
    "<iframe src='http://EVIL'/>",
    f"<h:img {XHTML} srcset='http://EVIL 1x'/>",
    f"<h:form {XHTML} action='http://EVIL'><h:button formaction='http://EVIL'>EVIL</h:button></h:form>",
    f"<h:a {XHTML} href='#a' ping='http://EVIL'>EVIL</h:a>",
    "<p xmlns='http://www.w3.org/1999/xhtml'>EVIL</p>",
    "<g xmlns='http://www.w3.org/1999/xhtml'><g>EVIL</g></g>",
    f"<g {XHTML}><g xmlns:h='http://www.w3.org/2000/svg'/><h:p>EVIL</h:p></g>",
    "<m:math xmlns:m='http://www.w3.org/1998/Math/MathML'><m:mtext>EVIL</m:mtext></m:math>",
    "<undeclared:g>EVIL</undeclared:g>",
    "<s:g xmlns:s='http://www.w3.org/2000/svg' xmlns='http://x' xmlns:='http://www.w3.org/2000/svg'><p>EVIL</p></s:g>",
    "<:p>EVIL</:p>",
    "<img srcset='http://EVIL 1x' src='EVIL'/>",
    "<form action='http://EVIL'/>",
    "<button formaction='http://EVIL'/>",
    "<a href='#a' ping='http://EVIL'/>",
    "<image href='#a' srcset='http://EVIL 1x'/>",
    "<set attributeName='srcset' to='http://EVIL 1x'/>",
    "<!-- EVIL -->",
    "<?xml-stylesheet href='EVIL'?>",
]


@pytest.mark.parametrize("evil", EVIL)
def test_what_could_do_harm_is_left_out(evil: str) -> None:
    clean = sanitise(svg(evil + "<circle r='3'/>").encode())
    assert b"EVIL" not in clean
    assert b"circle" in clean
    ET.fromstring(clean)


KEPT = [
    '<defs><linearGradient id="g"/></defs><rect fill="url(#g)"/>',
    "<rect fill=\"url( '#g' )\"/>",
    '<rect style="fill:url(#g);stroke:#f00"/>',
    f'<image href="data:image/png;base64,{DOT}" width="5" height="5"/>',
    f'<use xlink:href="#a" {XLINK}/>',
    "<style>.a { fill: red; mask: url(#m) }</style>",
    "<text x='1'>a &lt; b &amp; c \u00e9 \u4e2d</text>",
    '<animate attributeName="r" from="1" to="5"/>',
    f"<g {XHTML} xmlns:s='http://www.w3.org/2000/svg'><s:g><g><s:circle r='3'/></g></s:g></g>",
    "<filter id='f'><feGaussianBlur stdDeviation='2'/></filter>",
]


@pytest.mark.parametrize("good", KEPT)
def test_what_draws_stays(good: str) -> None:
    """Compared as trees, since quotes and empty elements may be written another way."""
    before, after = ET.fromstring(svg(good)), ET.fromstring(sanitise(svg(good).encode()))
    assert [(e.tag, e.attrib, (e.text or "").strip()) for e in before.iter()] == [
        (e.tag, e.attrib, (e.text or "").strip()) for e in after.iter()
    ]


def test_sanitising_twice_is_sanitising_once() -> None:
    for body in (*EVIL, *KEPT):
        once = sanitise(svg(body).encode())
        assert sanitise(once) == once


def test_entities_of_drawing_programs_are_expanded() -> None:
    document = (
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/x.dtd" [<!ENTITY c "#c80000">]>'
        + svg('<rect width="96" height="64" fill="&c;"/>')
    )
    assert b"#c80000" in sanitise(document.encode())
    assert b"ENTITY" not in sanitise(document.encode())


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY a PUBLIC "x" "http://evil/">',
        '<!ENTITY % a SYSTEM "http://evil/"> %a;',
        '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">',
    ],
)
def test_entities_that_fetch_or_nest_are_refused(declaration: str) -> None:
    with pytest.raises(UnsupportedImage, match="entit"):
        sanitise(f"<!DOCTYPE svg [{declaration}]>{svg('<text>&a;</text>')}".encode())


def test_documents_that_grow_are_refused() -> None:
    many = f"<!DOCTYPE svg [<!ENTITY a '{'x' * 4000}'>]>" + svg("<text>" + "&a;" * 100_000 + "</text>")
    with pytest.raises(ImageError):
        sanitise(many.encode())
    with pytest.raises(ImageTooLarge):
        sanitise(gzip.compress(svg(" " * 30_000_000).encode()))
    with pytest.raises(ImageTooLarge):
        sanitise(svg("<g>" * 2000 + "</g>" * 2000).encode())
    with pytest.raises(ImageTooLarge):
        sanitise(svg("<g " + " ".join(f'a{i}=""' for i in range(2000)) + "/>").encode())


@pytest.mark.parametrize(
    "namespace", ["", 'xmlns="http://www.w3.org/2000/svg"', 'xmlns:x="http://www.w3.org/1999/xhtml"']
)
def test_a_drawing_without_a_namespace_or_with_svg_s_is_one(namespace: str) -> None:
    assert b"circle" in sanitise(f"<svg {namespace}><circle r='3'/></svg>".encode())


def test_a_root_of_another_namespace_is_no_svg() -> None:
    for root in ("<svg xmlns='http://www.w3.org/1999/xhtml'/>", "<x:svg/>", "<x:svg xmlns:x='http://x'/>"):
        with pytest.raises(BrokenImage, match="not svg"):
            sanitise(root.encode())


def test_namespaces_declared_at_every_depth_take_no_more_time_than_their_number() -> None:
    """A copy of what is in scope for each element would be 100,000 prefixes a time here."""
    declared = "<g " + " ".join(f'xmlns:p{{0}}_{i}="x"' for i in range(200)) + ">"
    deep = "".join(declared.replace("{0}", str(depth)) for depth in range(500))
    clean = sanitise(svg(deep + "<path/>" * 100_000 + "</g>" * 500).encode())
    assert clean.count(b"<path>") == 100_000


@pytest.mark.parametrize(
    "broken",
    [b"", b"<svg", b"<html/>", b"<svg></html>", b"\x1f\x8bnot gzip", b'<?xml version="1.0" encoding="x"?><svg/>'],
)
def test_what_is_no_svg_is_broken(broken: bytes) -> None:
    with pytest.raises(BrokenImage):
        sanitise(broken)


def test_compressed_and_utf16_documents_are_drawn() -> None:
    for data in (gzip.compress(svg().encode()), svg().encode("utf-16")):
        assert tuple(decoded(run(data, Format.SVG).body)[10, 10]) == (200, 0, 0, 255)


def test_nothing_outside_is_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    picture = tmp_path / "secret.svg"
    picture.write_text(svg('<rect width="96" height="64" fill="#0f0"/>'))
    body = f'<image href="{picture.as_uri()}" width="96" height="64"/><image href="{picture}" width="96" height="64"/>'
    assert decoded(run(svg(body).encode(), Format.SVG).body)[:, :, 3].max() == 0


@pytest.mark.parametrize(
    "text",
    [
        r"fill: \\75 rl(http://evil)",
        r"fill: \5c 75 rl(http://evil)",
        r"fill: \5c75 rl(http://evil)",
        r"fill: \00005c75 rl(http://evil)",
        r"fill: \5C" + "\r\n" + "75 rl(http://evil)",
        r"fill: \\\75 rl(http://evil)",
        r"fill: \5c \75 rl(http://evil)",
        r"fill: \5c 5c 75 rl(http://evil)",
        r"@\\69 mport 'http://evil';",
        r"@\5c 69 mport 'http://evil';",
        "fill: red\\",
    ],
)
def test_an_escaped_backslash_escapes_nothing(text: str) -> None:
    """Whoever reads the result unescapes once more; no backslash means there is nothing left to unescape."""
    for clean in (css.clean(text), sanitise(svg(f"<style>{text}</style>").encode()).decode()):
        assert "\\" not in clean
        assert "url(" not in clean
        assert "@import" not in clean


@given(st.text(alphabet=st.sampled_from("url()'\"#/\\ :;@{}*javscriptEVLhp.69725c \n"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_a_style_sheet_never_keeps_an_outside_reference(text: str) -> None:
    clean = css.clean(text)
    assert "\\" not in clean
    assert css.clean(clean) == clean or "url(" not in css.clean(clean)
    for part in clean.lower().split("url(")[1:]:
        assert part.lstrip().lstrip("'\"").lstrip().startswith(("#", "data:image/"))
