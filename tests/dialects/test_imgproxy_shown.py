"""What logs have of a target: never what could be replayed or is secret, however it is encoded."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.core.errors import BadRequest
from tintype.core.shown import shown_url
from tintype.dialects.imgproxy import Imgproxy
from tintype.dialects.imgproxy.settings import ImgproxySettings

SIGNED = ImgproxySettings(keys=("aa11",), salts=("bb22",), trusted_signatures=("tr-usted",))
SETTINGS = {
    "signed": SIGNED,
    "open": ImgproxySettings(),
    "presets": ImgproxySettings(only_presets=True, presets=(("thumb", "w:40"),)),
    "filename": ImgproxySettings(base64_includes_filename=True),
    "comma": ImgproxySettings(arguments_separator=","),
}
SECRET = "S3cr3tValue"
secrets = st.text("abcXYZ0123456789-_", min_size=8, max_size=20).map(lambda text: f"{SECRET}{text}")
hosts = st.sampled_from(("origin.example", "cdn.example:8443", "[2001:db8::1]"))
paths = st.lists(st.text("abcdef0129._- é%20", min_size=1, max_size=8), max_size=4).map("/".join)
separators = st.sampled_from(("?token=", "?a=b&X-Amz-Signature=", "?sig=", "#key=", "?", "?u=x@y&q="))


def encoded(text: str, times: int) -> str:
    for _ in range(times):
        text = quote(text, safe="")
    return text


def in_base64(url: str, pieces: int) -> str:
    text = base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
    size = max(1, -(-len(text) // pieces))
    return "/".join(text[at : at + size] for at in range(0, len(text), size))


@given(
    secrets, secrets, hosts, paths, separators, st.integers(0, 3), st.integers(0, 4), st.sampled_from(sorted(SETTINGS))
)
def test_no_query_and_no_user_of_a_source(
    query: str, password: str, host: str, path: str, mark: str, times: int, pieces: int, kind: str
) -> None:
    dialect = Imgproxy(SETTINGS[kind])
    url = f"https://user:{password}@{host}/{path}{mark}{query}"
    options = {"presets": "thumb", "comma": "w,40"}.get(kind, "w:40")
    source = in_base64(url, pieces) if pieces else f"plain/{encoded(url, times)}"
    if pieces and kind == "filename":
        source += "/puppy.jpg"
    line = dialect.shown(f"/signature-of-43-characters/{options}/{source}")
    assert SECRET not in line
    assert base64.urlsafe_b64encode(SECRET.encode()).decode()[:6] not in line
    assert options in line
    if times == 0 or pieces:
        assert host in line
        assert path.rstrip() in line or not path.isprintable()


@given(st.text(max_size=200), st.sampled_from(sorted(SETTINGS)))
def test_any_text_at_all_can_be_shown(target: str, kind: str) -> None:
    line = Imgproxy(SETTINGS[kind]).shown(target)
    assert line.startswith("/")
    assert len(line) <= len(target) + 40


@given(st.text("ab/:%?@.=25340fF", max_size=60))
def test_showing_what_is_shown_changes_nothing(text: str) -> None:
    assert shown_url(shown_url(text)) == shown_url(text)


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("/unsafe/w:40/plain/https://h/cat.jpg@webp", "/unsafe/w:40/plain/https://h/cat.jpg@webp"),
        ("/unsafe/w:40/plain/local:///a/cat.jpg@webp", "/unsafe/w:40/plain/local:///a/cat.jpg@webp"),
        ("/unsafe/w:40/plain/https://h/a%20b@2x.png", "/unsafe/w:40/plain/https://h/a%20b@2x.png"),
        ("/unsafe/w:40/plain/https://u:p@h/cat.jpg?a=b", "/unsafe/w:40/plain/https://***@h/cat.jpg?***"),
        ("/unsafe/w:40/plain/https:/u:p@h/cat.jpg", "/unsafe/w:40/plain/https://***@h/cat.jpg"),
        ("/unsafe/w:40/plain/https://u:p%3Fx%2Fy@h/c", "/unsafe/w:40/plain/https://u:p%3F***"),
        ("/unsafe/w:40/plain/https://h/a?b=c/d@e", "/unsafe/w:40/plain/https://h/a?***"),
        ("/unsafe/w:40/plain/s3://bucket/key%3Fv=1", "/unsafe/w:40/plain/s3://bucket/key%3F***"),
        ("/unsafe/aHR0cHM6Ly9oL2NhdC5qcGc.webp", "/unsafe/base64:https://h/cat.jpg.webp"),
        ("/unsafe/w:40/aHR0cHM6Ly9oL2NhdC5q$$$", "/unsafe/w:40/aHR0cH***"),
        (
            "/unsafe/wmu:aHR0cHM6Ly91OnBAaC93LnBuZz90b2tlbj1TM2NyM3RTM2NyM3RTM2NyM3RTM2Ny/plain/x",
            "/unsafe/wmu:aH***/plain/x",
        ),
        ("/unsafe/plain/aHR0cHM6Ly91OnBAaC93", "/unsafe/plain/aHR0cH***"),
        ("/unsafe/plain/folder/cat.jpg", "/unsafe/plain/folder/cat.jpg"),
        ("/unsafe/plain/0123456789abcdef0123456789abcdef.png", "/unsafe/plain/0123456789abcdef0123456789abcdef.png"),
        ("/unsafe", "/unsafe"),
        ("/", "/"),
        ("", "/"),
    ],
)
def test_how_lines_look(target: str, line: str) -> None:
    assert Imgproxy(ImgproxySettings()).shown(target) == line


@pytest.mark.parametrize(
    ("signature", "shown"),
    [
        ("oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8", "oKfUtW***"),
        ("tr-usted", "tr***"),
        ("abc", "***"),
        ("wrong-signature-of-someone", "wrong-***"),
    ],
)
def test_of_a_signature_only_its_first_characters(signature: str, shown: str) -> None:
    dialect = Imgproxy(SIGNED)
    assert dialect.shown(f"/{signature}/w:40/plain/local:///a.png") == f"/{shown}/w:40/plain/local:///a.png"
    assert dialect.shown(f"/{signature}") == f"/{shown}"


@pytest.mark.parametrize("rest", ["h/cat.jpg%3Ftoken=S3cr3tValue", "h/S3cr3tValue", "S3cr3tValue%2Fcat"])
def test_errors_about_formats_quote_nothing_behind_a_password(rest: str) -> None:
    with pytest.raises(BadRequest, match="%40") as refused:
        Imgproxy(ImgproxySettings()).parse(f"/unsafe/w:40/plain/https://u:p@{rest}", 0)
    assert SECRET not in str(refused.value)
