"""Signatures and encrypted sources: the published vectors, several keys, truncation, and what must not pass."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tintype.core.errors import BadRequest, Misconfigured, NotSigned, SignatureLeftOut
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings
from tintype.dialects.imgproxy.crypt import Decrypter
from tintype.dialects.imgproxy.sign import Signatures

NOW = 1_800_000_000.0
KEY, SALT = b"secret".hex(), b"hello".hex()
PATH = "/rs:fill:300:400:0/g:sm/aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn.png"
SIGNATURE = "oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8"
CURIOSITY = "http://example.com/images/curiosity.jpg"

SOURCE_KEY = "1eb5b0e971ad7f45324c1bb15c947cb207c43152fa5c6c7f35c4f36e0c18e0f1"
ENCRYPTED = "p5VjorNdhs7mRRw8gA9TWoRlGci3l1kuzqN43UQlRaRIQ0qtBKW3qFABIsx-ZRz_cVc8iVTYbhsNsxNBL1BHaQ"


def dialect(**settings: Any) -> Imgproxy:
    return Imgproxy(ImgproxySettings(**{"keys": (KEY,), "salts": (SALT,), **settings}))


WRONG = "the encrypted source is no allowed URL when read with the configured key"


def refused(encrypting: Imgproxy, path: str) -> str | None:
    try:
        encrypting.parse(f"/{sign(path)}{path}", NOW)
    except BadRequest as error:
        return str(error)
    return None


def sign(path: str, key: str = KEY, salt: str = SALT, size: int = 32) -> str:
    digest = hmac.new(bytes.fromhex(key), bytes.fromhex(salt) + path.encode(), sha256).digest()[:size]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_the_published_vector() -> None:
    assert dialect().parse(f"/{SIGNATURE}{PATH}", NOW).pipeline.source.url == CURIOSITY
    assert Signatures(ImgproxySettings(keys=(KEY,), salts=(SALT,))).sign(PATH) == SIGNATURE


@pytest.mark.parametrize(
    "signature",
    [
        SIGNATURE[:-1],
        SIGNATURE[:-2] + "AA",
        SIGNATURE + "=",
        SIGNATURE + "A",
        SIGNATURE.lower(),
        "unsafe",
        "_",
        "é",
        "rs:fill:300:400",
        sign(PATH, size=8),
        sign(PATH, key=SALT, salt=KEY),
        "A" * 5000,
    ],
)
def test_anything_else_is_refused(signature: str) -> None:
    with pytest.raises(NotSigned) as caught:
        dialect().parse(f"/{signature}{PATH}", NOW)
    assert dialect().refusal(caught.value) == (403, "Forbidden")


def test_what_is_signed_is_all_of_the_path() -> None:
    for changed in (PATH.replace("300", "301"), PATH + "x", "/w:1" + PATH, PATH.replace("png", "jpg")):
        with pytest.raises(NotSigned):
            dialect().parse(f"/{SIGNATURE}{changed}", NOW)
    assert dialect().parse(f"/{SIGNATURE}{PATH}?utm=1", NOW)


def test_the_signature_comes_before_anything_else() -> None:
    for path in ("/w:abc/plain/a", "/nonsense", "/enc/AAAA", "/pr:nope/plain/a", "/exp:1/plain/a"):
        with pytest.raises(NotSigned):
            dialect().parse(f"/unsafe{path}", NOW)


def test_repaired_paths_are_signed_as_they_were_meant() -> None:
    path = "/rs:fit:100:100/plain/https://example.com/a.jpg"
    merged = "/rs%3Afit%3A100%3A100/plain/https:/example.com/a.jpg"
    assert dialect().parse(f"/{sign(path)}{merged}", NOW) == dialect().parse(f"/{sign(path)}{path}", NOW)


def test_several_keys_are_tried_and_the_first_one_signs() -> None:
    both = dialect(keys=(KEY, SALT), salts=(SALT, KEY))
    asked = both.parse(f"/{sign(PATH)}{PATH}", NOW)
    second = both.parse(f"/{sign(PATH, SALT, KEY)}{PATH}", NOW)
    assert (asked.key, second.key) == ("1", "2")
    assert replace(second, key="1") == asked
    assert both.format(second) == both.format(asked)
    with pytest.raises(NotSigned):
        both.parse(f"/{sign(PATH, SALT, SALT)}{PATH}", NOW)
    assert dialect().parse(both.format(asked), NOW) == asked


def test_keys_are_called_by_their_ids_and_tokens_have_no_name() -> None:
    both = dialect(keys=(KEY, SALT), salts=(SALT, KEY), key_ids=("2025", ""), trusted_signatures=("abc",))
    signatures = sign(PATH), sign(PATH, SALT, KEY), "abc"
    assert [both.parse(f"/{one}{PATH}", NOW).key for one in signatures] == ["2025", "2", ""]
    assert Imgproxy(ImgproxySettings()).parse(f"/any{PATH}", NOW).key == ""


secrets = st.binary(min_size=1, max_size=200).map(bytes.hex)


@given(key=secrets, salt=secrets, path=st.text(st.characters(codec="utf-8"), max_size=200))
def test_signatures_are_hmac_of_salt_and_path_whatever_their_length(key: str, salt: str, path: str) -> None:
    signatures = Signatures(ImgproxySettings(keys=(key,), salts=(salt,)))
    assert signatures.sign(path) == sign(path, key, salt)
    assert signatures.verify(sign(path, key, salt), path) == "1"


def test_truncated_signatures_have_exactly_their_size() -> None:
    short = dialect(signature_size=8)
    assert short.parse(f"/{sign(PATH, size=8)}{PATH}", NOW)
    for size in (7, 9, 32):
        with pytest.raises(NotSigned):
            short.parse(f"/{sign(PATH, size=size)}{PATH}", NOW)


def test_trusted_signatures_are_literal() -> None:
    trusting = dialect(trusted_signatures=("abc", "def"))
    for token in ("abc", "def", SIGNATURE):
        assert trusting.parse(f"/{token}{PATH}", NOW)
    for token in ("ab", "abcd", "ghi", "abc,def"):
        with pytest.raises(NotSigned):
            trusting.parse(f"/{token}{PATH}", NOW)


def test_without_keys_any_word_but_an_option_stands_for_a_signature() -> None:
    unsigned = Imgproxy(ImgproxySettings())
    assert unsigned.parse("/anything/w:100/plain/a", NOW)
    assert unsigned.format(unsigned.parse("/_/plain/a", NOW)) == "/unsafe/plain/a"
    with pytest.raises(SignatureLeftOut) as caught:
        unsigned.parse("/w:100/plain/a", NOW)
    status, text = unsigned.refusal(caught.value)
    assert status == 403
    assert "signature" in text


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"salts": ()}, "as many"),
        ({"keys": (KEY, KEY)}, "as many"),
        ({"keys": ("xyz",)}, "keys: must be hex"),
        ({"salts": ("0",)}, "salts: must be hex"),
        ({"keys": ("",)}, "keys: one is empty"),
        ({"signature_size": 0}, "1 to 32"),
        ({"signature_size": 33}, "1 to 32"),
        ({"source_key": "00"}, "source_key"),
        ({"source_key": "zz" * 16}, "source_key"),
        ({"keys": (), "salts": (), "source_key": SOURCE_KEY}, "needs signing keys"),
    ],
)
def test_settings_that_contradict_themselves_are_named(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(Misconfigured, match=says) as caught:
        dialect(**settings)
    assert KEY not in str(caught.value)
    assert SOURCE_KEY not in str(caught.value)


def test_the_published_encrypted_source() -> None:
    encrypting = dialect(source_key=SOURCE_KEY)
    for path in (f"/w:9/enc/{ENCRYPTED}.png", f"/w:9/enc/{ENCRYPTED[:20]}/{ENCRYPTED[20:]}.png"):
        asked = encrypting.parse(f"/{sign(path)}{path}", NOW)
        assert asked.pipeline.source.url == CURIOSITY
        assert asked == encrypting.parse(f"/{sign(plain := f'/w:9/plain/{CURIOSITY}@png')}{plain}", NOW)


@given(url=st.text(max_size=200), iv=st.binary(min_size=16, max_size=16), size=st.sampled_from([16, 24, 32]))
def test_encryption_comes_back(url: str, iv: bytes, size: int) -> None:
    crypt = Decrypter("a7" * size)
    assert crypt.decrypt(crypt.encrypt(url, iv)).decode() == url


@given(data=st.binary(max_size=100))
def test_whatever_is_wrong_with_an_encrypted_source_looks_the_same(data: bytes) -> None:
    encoded = base64.urlsafe_b64encode(data).decode().rstrip("=")
    path = f"/enc/{encoded}" if encoded else "/enc/A"
    said = refused(dialect(source_key=SOURCE_KEY), path)
    assert said in (None, WRONG)  # by chance, padding may be right


def test_every_flipped_bit_of_an_encrypted_source_looks_the_same() -> None:
    encrypting = dialect(source_key=SOURCE_KEY)
    whole = base64.urlsafe_b64decode(ENCRYPTED + "==")
    answers = set()
    for at in range(len(whole) - 32, len(whole)):
        altered = bytearray(whole)
        altered[at] ^= 0x55
        path = f"/enc/{base64.urlsafe_b64encode(altered).decode().rstrip('=')}"
        answers.add(refused(encrypting, path))
        with pytest.raises(NotSigned):  # and nobody without a key gets even that
            encrypting.parse(f"/{SIGNATURE}{path}", NOW)
    assert answers == {WRONG}
