"""The grammar of a target and its source: what is repaired, what is refused, what is rewritten."""

from __future__ import annotations

import pytest

from tintype.core.errors import BadRequest, Expired, Misconfigured, SourceUnlisted
from tintype.core.formats import Format
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings

NOW = 1_800_000_000.0
DIALECT = Imgproxy(ImgproxySettings())


def url_of(target: str, dialect: Imgproxy = DIALECT) -> str:
    return dialect.parse(target, NOW).pipeline.source.url


SOURCES = {
    "/_/plain/https://example.com/a.jpg": "https://example.com/a.jpg",
    "/_/plain/https%3A%2F%2Fexample.com%2Fa%20b.jpg%3Fx=1%40": "https://example.com/a b.jpg?x=1@",
    "/_/plain/https://example.com/a.jpg?x=1": "https://example.com/a.jpg",  # a query of the target itself counts for nothing
    "/_/w:9/aHR0cHM6Ly9leGFtcGxlLmNvbS9h": "https://example.com/a",
    "/_/w:9/aHR0cHM6Ly9leG/FtcGxlLmNvbS9h": "https://example.com/a",
    "/_/w:9/aHR0cHM6Ly9leGFtcGxlLmNvbS9hYg==": "https://example.com/ab",
    "/_/w:9//aHR0cHM6Ly9leGFtcGxlLmNvbS9h": "https://example.com/a",  # an empty segment ends the options
    "//_/plain/https://example.com/a": "https://example.com/a",
    "/_/plain/https:/example.com/a": "https://example.com/a",  # merged by a proxy
    "/_/plain/local:/a/b.jpg": "local:///a/b.jpg",
    "/_/plain/local:///a/b.jpg": "local:///a/b.jpg",
    "/_/plain/s3://bucket/key%3Fversion": "s3://bucket/key?version",
    "/_/w%3A9/plain/a": "a",
    "/_/w%3a9/plain/a%3Ab": "a:b",
    "/_/plain/a/plain/b": "a/plain/b",
    "/_/plain/HTTPS://Example.COM:443/A": "https://example.com/A",
    "/_/plain/http://user:Pw%40Example.com:8080/A": "http://user:Pw@example.com:8080/A",
    "/_/plain/http://example.com": "http://example.com/",
    "/_/plain/http://example.com%3Fx": "http://example.com/?x",
    "/_/plain/http://example.com/a%23b": "http://example.com/a",  # a fragment is never sent
    "/_/plain/local:///a%23b": "local:///a#b",
    "/_/plain/http://[2001:DB8::1]:80/a": "http://[2001:db8::1]/a",
    "/_/plain/http://example.com/caf%C3%A9": "http://example.com/café",
    "/_/plain/http://example.com/caf%E9": "http://example.com/caf%E9",  # no UTF-8, so it stays escaped
    "/_/plain/ftp://x/y": "ftp://x/y",  # whether a scheme is served is for the sources to say
}


@pytest.mark.parametrize(("target", "url"), SOURCES.items())
def test_sources_come_to_one_canonical_url(target: str, url: str) -> None:
    assert url_of(target) == url


def test_extensions_name_the_format_and_win_over_the_option() -> None:
    plain = DIALECT.parse("/_/f:png/plain/http://a/b@webp", NOW)
    encoded = DIALECT.parse("/_/aHR0cDovL2EvYg.webp", NOW)
    assert plain == encoded
    assert plain.pipeline.output.format is Format.WEBP
    assert DIALECT.parse("/_/plain/a@", NOW) == DIALECT.parse("/_/plain/a", NOW)
    assert DIALECT.parse("/_/raw:1/plain/a@nonsense", NOW) == DIALECT.parse("/_/raw:1/plain/a", NOW)


REFUSED = {
    "": "at least two of them are missing",
    "/": "at least two of them are missing",
    "/_": "at least two of them are missing",
    "/_/": "at least two of them are missing",
    "/_?/plain/a": "at least two of them are missing",
    "/_/w:9": "the source is missing",
    "/_/w:9/": "the source is missing",
    "/_/w:9/plain/": "the source is missing",
    "/_/w:9/plain/@png": "the source is missing",
    "/_/plain/a@b@c": "more than one @",
    "/_/YWI.png.png": "more than one .",
    "/_/YWI.exe": "option ext: got 'exe'",
    "/_/plain/a%2": "write %25",
    "/_/plain/a%zz": "write %25",
    "/_/plain/a%0Ab": "control characters",
    "/_/plain/http://evil%5C.example.com/": "backslash",
    "/_/a": "URL-safe base64",
    "/_/a+b/": "URL-safe base64",
    "/_/enc/AAAA": "source_key",
    "/_/fill/300/200/ce/0/plain/a": "syntax of imgproxy 1; write rs:fill:width:height",
    "/_/plain/\udcff": "not UTF-8",
}


@pytest.mark.parametrize(("target", "says"), REFUSED.items(), ids=[ascii(key) for key in REFUSED])
def test_what_is_no_target_is_refused_with_a_reason(target: str, says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        DIALECT.parse(target, NOW)
    assert says in str(caught.value)
    assert DIALECT.refusal(caught.value) == (404, "Invalid URL")


def test_expired_urls_are_void_from_the_second_after() -> None:
    target = "/_/exp:1000/plain/a"
    assert DIALECT.parse(target, 1000.9).delivery.expires_at == 1000
    with pytest.raises(Expired) as caught:
        DIALECT.parse(target, 1001.0)
    assert DIALECT.refusal(caught.value) == (404, "Invalid URL")


def test_other_separators() -> None:
    dialect = Imgproxy(ImgproxySettings(arguments_separator=","))
    asked = DIALECT.parse("/_/rs:fill:30:20/plain/a", NOW)
    assert dialect.parse("/_/rs,fill,30,20/plain/a", NOW) == asked
    assert dialect.parse(dialect.format(asked), NOW) == asked
    with pytest.raises(BadRequest):
        dialect.parse("/_/rs:fill:30:20/plain/a", NOW)


@pytest.mark.parametrize("separator", ["", "/", "a/"])
def test_separators_that_cannot_work_are_refused(separator: str) -> None:
    with pytest.raises(Misconfigured, match="arguments_separator"):
        Imgproxy(ImgproxySettings(arguments_separator=separator))


def test_names_at_the_end_of_base64_sources() -> None:
    dialect = Imgproxy(ImgproxySettings(base64_includes_filename=True))
    assert url_of("/_/aHR0cDovL2EvYg/pretty.jpg", dialect) == "http://a/b"
    assert url_of("/_/aHR0cDovL2/EvYg/pretty.jpg", dialect) == "http://a/b"
    assert url_of("/_/aHR0cDovL2EvYg", dialect) == "http://a/b"
    assert url_of("/_/plain/http://a/b.jpg", dialect) == "http://a/b.jpg"
    assert dialect.parse("/_/aHR0cDovL2EvYg.png/pretty.jpg", NOW).pipeline.output.format is Format.PNG


def test_replacements_then_base_url() -> None:
    settings = ImgproxySettings(
        url_replacements=(("mys3://", "s3://bucket/"), ("pic-*-*", "photos/${2}/${1}.jpg")), base_url="local:///"
    )
    dialect = Imgproxy(settings)
    assert url_of("/_/plain/pic-a-b", dialect) == "local:///photos/b/a.jpg"
    assert url_of("/_/plain/my-pic-a-b", dialect) == "local:///my-pic-a-b"  # patterns match from the start
    assert url_of("/_/plain/local:///x", dialect) == "local:///x"
    assert url_of("/_/bXlzMzovL2s", dialect) == "local:///s3://bucket/k"


def test_replacements_that_refer_to_nothing_are_refused() -> None:
    with pytest.raises(Misconfigured, match="url_replacements"):
        Imgproxy(ImgproxySettings(url_replacements=(("a*", "${2}"),)))


LISTED = Imgproxy(ImgproxySettings(allowed_sources=("local:///photos/", "https://*.example.com/", "s3://b*/")))


@pytest.mark.parametrize(
    "source",
    [
        "local:///photos/a.jpg",
        "https://img.example.com/a.jpg",
        "HTTPS://IMG.example.com/a.jpg",
        "https://img.example.com:443/a.jpg",
        "s3://bucket/a.jpg",
    ],
)
def test_listed_sources_are_read(source: str) -> None:
    assert LISTED.parse(f"/_/plain/{source}", NOW)


def test_patterns_have_the_form_of_what_they_match() -> None:
    dialect = Imgproxy(ImgproxySettings(allowed_sources=("HTTPS://CDN*.Example.com:443/", "http://Static.")))
    assert url_of("/_/plain/https://cdn1.example.com/A", dialect) == "https://cdn1.example.com/A"
    assert url_of("/_/plain/https://cdn1.example.com:443/A", dialect) == "https://cdn1.example.com/A"
    assert url_of("/_/plain/http://static.example.com/A", dialect) == "http://static.example.com/A"
    with pytest.raises(SourceUnlisted):
        dialect.parse("/_/plain/https://cdn1.example.com:8443/A", NOW)


@pytest.mark.parametrize(
    "source",
    [
        "local:///odd/a.jpg",
        "local:/odd/a.jpg",
        "https://example.com/a.jpg",
        "https://evil.com/a.example.com/x.jpg",
        "https://evil.com%3F.example.com/x.jpg",
        "https://evil.com%23.example.com/x.jpg",
        "https://evil.com%5C.example.com/x.jpg",
        "https://evil.com%00.example.com/x.jpg",
        "http://img.example.com/a.jpg",
        "gopher://img.example.com/a.jpg",
        "//img.example.com/a.jpg",
        " https://img.example.com/a.jpg",
    ],
)
def test_other_sources_are_refused(source: str) -> None:
    with pytest.raises(BadRequest):
        LISTED.parse(f"/_/plain/{source}", NOW)


@pytest.mark.parametrize(
    "source",
    [
        "local:///photos/../odd/a.jpg",
        "local:///photos/./a.jpg",
        "local:///photos/..",
        "local:///photos%2F..%2Fodd/a.jpg",
        "local:///photos/a%3F/../../odd/a.jpg",
        "s3://bucket/../other/a.jpg",
        "https://img.example.com/../a.jpg",
        "https://img.example.com/a/%252e%252E/b.jpg",
        "https://img.example.com/a/.%252e/b.jpg",
        "https://img.example.com/a%252f..%252fb.jpg",
        "https://img.example.com/a%255c..%255cb.jpg",
        "https://img.example.com/a/..%5Cb.jpg",
        "https://img.example.com/a/..;x/b.jpg",
        "https://img.example.com/a/..%3Fx",
        "https://img.example.com/a/..%23x",
    ],
)
def test_a_listed_source_does_not_climb_out_of_what_is_listed(source: str) -> None:
    with pytest.raises(SourceUnlisted):
        LISTED.parse(f"/_/plain/{source}", NOW)
    assert url_of(f"/_/plain/{source}")  # where every source is allowed there is nothing to climb out of


@pytest.mark.parametrize(
    "source", ["local:///photos/..a.jpg", "local:///photos/%252e%252e/a.jpg", "https://img.example.com/a..b?x=/../y"]
)
def test_dots_that_are_no_steps_are_fine(source: str) -> None:
    assert LISTED.parse(f"/_/plain/{source.replace('?', '%3F')}", NOW)


def test_an_unlisted_source_says_so_without_repeating_it() -> None:
    with pytest.raises(SourceUnlisted) as caught:
        LISTED.parse("/_/plain/https://evil.com/secret", NOW)
    assert "evil" not in str(caught.value)
    assert LISTED.refusal(caught.value) == (404, "Invalid source URL")


@pytest.mark.parametrize("pattern", ["https://a\\b.example/", "http://x\\@y/"])
def test_a_listed_source_that_no_url_can_match_is_named_at_start(pattern: str) -> None:
    with pytest.raises(Misconfigured, match="allowed_sources"):
        Imgproxy(ImgproxySettings(allowed_sources=("https://fine.example/", pattern)))


def test_options_that_were_read_before_change_nothing_for_another_source_or_format() -> None:
    dialect = Imgproxy(ImgproxySettings())
    ends = (
        "plain/http://a/b@webp",
        "plain/http://a/c",
        "aHR0cDovL2EvYg.png",
        "plain/http://a/c@avif",
        "plain/s3://a/c",
    )
    for options in ("", "w:10/f:gif/cb:x/", "q:3/fn:a/"):
        for end in (*ends, *reversed(ends)):
            target = f"/_/{options}{end}"
            assert dialect.parse(target, NOW) == Imgproxy(ImgproxySettings()).parse(target, NOW)
    assert dialect.parse("/_/w:10/f:gif/cb:x/plain/s3://a/c", NOW).pipeline.source.buster == "x"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/w:x/plain/%zz@nonsense", "'x'"),
        ("/w:10/plain/%zz@nonsense", "two hex digits"),
        ("/w:10/plain/a@nonsense", "nonsense"),
        ("/w:10/exp:1/plain/a@nonsense", "nonsense"),
    ],
)
def test_what_is_wrong_is_told_in_one_order_however_often_it_comes(path: str, says: str) -> None:
    dialect = Imgproxy(ImgproxySettings())
    dialect.parse("/_/w:10/plain/a", NOW)
    for _ in range(2):
        with pytest.raises(BadRequest, match=says):
            dialect.parse(f"/_{path}", NOW)
