"""imgproxy's variables: all of them, with imgproxy's own defaults, warned about by name or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tintype import __version__
from tintype.config import Config, Loaded, load
from tintype.config.imgproxy_known import SECURITY, why_unsupported
from tintype.config.imgproxy_table import RENAMED, VARIABLES
from tintype.config.schema import find
from tintype.core.errors import Misconfigured
from tintype.core.formats import Format
from tintype.core.policy import Encoders, Light, ShrinkTable

KEY, SALT = "736563726574", "68656c6c6f"


def loaded(**variables: str) -> Loaded:
    return load(env={f"IMGPROXY_{name}": text for name, text in variables.items()})


def value(config: Config, name: str) -> Any:
    """Look a setting up in the configuration that was built, not in the list of settings."""
    if name.startswith("tenants.default."):
        tenant = config.tenants[0]
        parts = name.removeprefix("tenants.default.").split(".")
        holder: Any = tenant.tenant if hasattr(tenant.tenant, parts[0]) else tenant.imgproxy
    elif name.startswith("sources.stores."):
        _, _, store, *parts = name.split(".")
        holder = dict(config.sources.stores)[store]
    else:
        holder, parts = config, name.split(".")
    for part in parts:
        holder = getattr(holder, part)
    return holder


def test_any_variable_selects_imgproxys_own_defaults() -> None:
    config = loaded(TTL="31536000").config
    assert config.profile == "imgproxy"
    assert not config.embedded
    assert (config.server.host, config.server.port, config.server.write_timeout_s) == ("0.0.0.0", 8080, 10)
    assert not config.server.demo
    assert config.sources.allow_private
    assert not config.sources.allow_loopback
    (only,) = config.tenants
    policy = only.tenant.policy
    assert (policy.light, policy.shrink_table) == (Light.GAMMA, ShrinkTable.IMGPROXY)
    assert policy.encoders is Encoders.IMGPROXY
    assert (policy.quality, policy.webp_effort, policy.avif_speed, policy.jxl_effort) == (80, 4, 8, 4)
    assert dict(policy.format_quality) == {Format.WEBP: 79, Format.AVIF: 63, Format.JXL: 77}
    assert policy.preferred_formats == (Format.JPEG, Format.PNG, Format.GIF)
    assert (policy.frames, policy.source_pixels, policy.frame_pixels) == (1, 50_000_000, 0)
    assert only.tenant.delivery.ttl_s == 31_536_000
    assert (config.limits.request_timeout_s, config.limits.fetch_timeout_s) == (10, 5)
    assert (config.limits.source_redirects, config.limits.clients) == (10, 2048)
    assert config.limits.render_queue > 0


def test_private_sources_are_allowed_loudly_unless_it_was_said() -> None:
    assert any("private networks" in w for w in loaded(TTL="1").warnings)
    for said in ("true", "false"):
        given = loaded(ALLOW_PRIVATE_SOURCE_ADDRESSES=said)
        assert given.config.sources.allow_private is (said == "true")
        assert not any("private networks" in w for w in given.warnings)


@pytest.mark.parametrize(
    ("name", "text", "setting", "want"),
    [
        ("SIGNATURE_SIZE", "8", "tenants.default.signature_size", 8),
        ("TRUSTED_SIGNATURES", "abc, def", "tenants.default.trusted_signatures", ("abc", "def")),
        ("SECRET", "s3cret", "tenants.default.delivery.secret", "s3cret"),
        ("PATH_PREFIX", "img/x/?a=1", "server.path_prefix", "/img/x"),
        ("HEALTH_CHECK_PATH", "/alive", "server.health_path", "/alive"),
        ("TIMEOUT", "30", "limits.request_timeout_s", 30),
        ("TIMEOUT", "30", "server.drain_timeout_s", 60),
        ("GRACEFUL_STOP_TIMEOUT", "7", "server.drain_timeout_s", 7),
        ("READ_REQUEST_TIMEOUT", "3", "server.read_timeout_s", 3),
        ("WRITE_RESPONSE_TIMEOUT", "3", "server.write_timeout_s", 3),
        ("KEEP_ALIVE_TIMEOUT", "0", "server.keep_alive_timeout_s", 0),
        ("CLIENT_KEEP_ALIVE_TIMEOUT", "11", "sources.keep_alive_s", 11),
        ("DOWNLOAD_TIMEOUT", "9", "limits.fetch_timeout_s", 9),
        ("WORKERS", "3", "engine.workers", 3),
        ("REQUESTS_QUEUE_SIZE", "0", "limits.render_queue", 1000),
        ("REQUESTS_QUEUE_SIZE", "17", "limits.render_queue", 17),
        ("MAX_CLIENTS", "0", "limits.clients", 65_536),
        ("TTL", "0", "tenants.default.delivery.ttl_s", 0),
        ("CACHE_CONTROL_PASSTHROUGH", "true", "tenants.default.delivery.origin_cache_control", True),
        ("SET_CANONICAL_HEADER", "1", "tenants.default.delivery.canonical_header", True),
        ("USE_ETAG", "false", "tenants.default.delivery.etag", False),
        ("ETAG_BUSTER", "v2", "tenants.default.delivery.etag_buster", "v2"),
        ("USE_LAST_MODIFIED", "f", "tenants.default.delivery.last_modified", False),
        ("RETURN_ATTACHMENT", "T", "tenants.default.delivery.attachment", True),
        ("ALLOW_ORIGIN", "https://a.example", "tenants.default.delivery.allow_origin", "https://a.example"),
        ("COOKIE_PASSTHROUGH", "true", "tenants.default.delivery.cookie_passthrough", True),
        ("COOKIE_BASE_URL", "https://a.b", "tenants.default.delivery.cookie_base_url", "https://a.b"),
        ("REQUEST_HEADERS_PASSTHROUGH", "X-A, X-B", "tenants.default.delivery.forward_headers", ("X-A", "X-B")),
        ("USER_AGENT", "me/%current_version", "sources.user_agent", f"me/{__version__}"),
        ("MAX_REDIRECTS", "0", "limits.source_redirects", 0),
        ("IGNORE_SSL_VERIFICATION", "true", "sources.verify_tls", False),
        (
            "ALLOWED_SOURCES",
            "s3://, https://*.a.com/",
            "tenants.default.allowed_sources",
            ("s3://", "https://*.a.com/"),
        ),
        ("ALLOW_LOOPBACK_SOURCE_ADDRESSES", "true", "sources.allow_loopback", True),
        ("LOCAL_FILESYSTEM_ROOT", "/tmp", "sources.local_root", "/tmp"),
        ("SOURCE_URL_QUERY_SEPARATOR", "", "sources.query_separator", ""),
        ("BASE_URL", "https://a.b/", "tenants.default.base_url", "https://a.b/"),
        (
            "URL_REPLACEMENTS",
            "mys3://=local:///;pic-*=local:///p${1}.jpg",
            "tenants.default.url_replacements",
            (("mys3://", "local:///"), ("pic-*", "local:///p${1}.jpg")),
        ),
        ("ARGUMENTS_SEPARATOR", ",", "tenants.default.arguments_separator", ","),
        ("ALLOWED_PROCESSING_OPTIONS", "w,h,rs", "tenants.default.allowed_options", ("w", "h", "rs")),
        ("MAX_SRC_RESOLUTION", "16.8", "tenants.default.policy.source_pixels", 16_800_000),
        ("MAX_SRC_FILE_SIZE", "1000", "tenants.default.source_bytes", 1000),
        ("MAX_SRC_FILE_SIZE", "900000000", "limits.source_bytes", 900_000_000),
        ("MAX_ANIMATION_FRAMES", "100", "tenants.default.policy.frames", 100),
        ("MAX_ANIMATION_FRAME_RESOLUTION", "2", "tenants.default.policy.frame_pixels", 2_000_000),
        ("MAX_RESULT_DIMENSION", "90", "tenants.default.policy.result_side_px", 90),
        (
            "FORMAT_QUALITY",
            "jpeg=70, avif=40",
            "tenants.default.policy.format_quality",
            ((Format.AVIF, 40), (Format.JPEG, 70)),
        ),
        ("PREFERRED_FORMATS", "webp,png", "tenants.default.policy.preferred_formats", (Format.WEBP, Format.PNG)),
        ("SKIP_PROCESSING_FORMATS", "jpg", "tenants.default.policy.passthrough", (Format.JPEG,)),
        ("AUTO_ROTATE", "false", "tenants.default.auto_rotate", False),
        ("USE_LINEAR_COLORSPACE", "true", "tenants.default.policy.light", Light.LINEAR),
        ("DISABLE_SHRINK_ON_LOAD", "true", "tenants.default.policy.shrink_on_load", False),
        ("WEBP_PRESET", "photo", "tenants.default.policy.webp_preset", "photo"),
        ("WATERMARK_URL", "https://a.b/w.png", "tenants.default.policy.watermark", True),
        ("WATERMARK_OPACITY", "0.8", "tenants.default.policy.watermark_opacity", 0.8),
        ("FALLBACK_IMAGE_HTTP_CODE", "0", "tenants.default.fallback.status", 0),
        ("PROMETHEUS_BIND", ":8081", "server.metrics_port", 8081),
        ("PROMETHEUS_NAMESPACE", "img", "telemetry.namespace", "img"),
        ("LOG_FORMAT", "structured", "telemetry.log_format", "json"),
        ("LOG_LEVEL", "warn", "telemetry.log_level", "warning"),
        ("ENABLE_WEBP_DETECTION", "true", "tenants.default.policy.auto_formats", (Format.WEBP,)),
        ("CONCURRENCY", "3", "engine.workers", 3),
    ],
)
def test_a_variable_means_its_setting(name: str, text: str, setting: str, want: Any) -> None:
    given = loaded(**{name: text})
    assert value(given.config, setting) == want
    if find(tuple(setting.split("."))):
        origin = next(s.origin for s in given.settings if s.name == setting)
        assert origin.startswith("IMGPROXY_") or want == 1000


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (":8080", ("0.0.0.0", 8080)),
        ("127.0.0.1:9000", ("127.0.0.1", 9000)),
        ("[::1]:9000", ("::1", 9000)),
        ("localhost:8080", ("127.0.0.1", 8080)),
        (":0", ("0.0.0.0", 0)),
    ],
)
def test_bind_is_an_address_as_go_writes_it(text: str, want: tuple[str, int]) -> None:
    server = loaded(BIND=text).config.server
    assert (server.host, server.port) == want


def test_network_and_port() -> None:
    assert loaded(NETWORK="tcp6").config.server.host == "::"
    assert load(env={"IMGPROXY_TTL": "1", "PORT": "5000"}).config.server.port == 5000
    assert load(env={"IMGPROXY_BIND": ":1", "PORT": "5000"}).config.server.port == 1
    assert load(env={"PORT": "5000"}).config.server.port == 8080


def test_keys_salts_and_several_of_them() -> None:
    settings = loaded(KEY=f"{KEY},{SALT}", SALT=f"{SALT}, {KEY}").config.tenants[0].imgproxy
    assert (settings.keys, settings.salts) == ((KEY, SALT), (SALT, KEY))
    given = loaded(KEY=KEY, SALT=SALT)
    assert not any("no keys" in w for w in given.warnings)
    assert any("no keys" in w for w in loaded(TTL="1").warnings)


def test_negotiation_variables_make_lists() -> None:
    policy = (
        loaded(AUTO_WEBP="true", AUTO_AVIF="true", AUTO_JXL="false", ENFORCE_JXL="true").config.tenants[0].tenant.policy
    )
    assert policy.auto_formats == (Format.AVIF, Format.WEBP)
    assert policy.enforce_formats == (Format.JXL,)


def test_sources_are_encrypted_where_urls_are_signed() -> None:
    given = loaded(SOURCE_URL_ENCRYPTION_KEY="00" * 32, KEY="aa", SALT="bb")
    assert given.config.tenants[0].imgproxy.source_key == "00" * 32
    with pytest.raises(Misconfigured, match="source_key needs signing keys"):
        loaded(SOURCE_URL_ENCRYPTION_KEY="00" * 32)


def test_presets_from_variable_and_file(tmp_path: Path) -> None:
    file = tmp_path / "presets"
    file.write_text("# small ones\nthumb=rs:fill:64:64\n\n  tiny = w:8/h:8\n")
    given = loaded(PRESETS="default=q:50/bg:fff; a=fn:1,2", PRESETS_SEPARATOR=";", PRESETS_PATH=str(file))
    assert dict(given.config.tenants[0].imgproxy.presets) == {
        "default": "q:50/bg:fff",
        "a": "fn:1,2",
        "thumb": "rs:fill:64:64",
        "tiny": "w:8/h:8",
    }
    assert str(file) in given.paths


def test_object_stores() -> None:
    given = loaded(
        USE_S3="true",
        S3_REGION="eu-west-1",
        S3_ENDPOINT="http://minio:9000",
        S3_ENDPOINT_USE_PATH_STYLE="false",
        S3_ALLOWED_BUCKETS="a, b",
        USE_GCS="true",
        GCS_KEY="{}",
        USE_ABS="true",
        ABS_NAME="account",
        ABS_KEY="c2VjcmV0",
    )
    stores = dict(given.config.sources.stores)
    assert (stores["s3"].region, stores["s3"].endpoint, stores["s3"].path_style) == (
        "eu-west-1",
        "http://minio:9000",
        False,
    )
    assert stores["s3"].allowed_buckets == ("a", "b")
    assert (stores["gs"].kind, stores["gs"].secret_key) == ("gs", "{}")
    assert (stores["abs"].kind, stores["abs"].access_key, stores["abs"].secret_key) == ("abs", "account", "c2VjcmV0")
    assert loaded(S3_REGION="x").config.sources.stores == ()
    assert loaded(USE_S3="false", S3_REGION="x").config.sources.stores == ()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("TIMEOUT", "ten", "a whole number"),
        ("TIMEOUT", "0", "limits.request_timeout_s|0.01 or more"),
        ("AUTO_WEBP", "yes", "true or false"),
        ("QUALITY", "101", "1 to 100"),
        ("FORMAT_QUALITY", "webp", "format=quality"),
        ("FORMAT_QUALITY", "wepb=3", "formats"),
        ("BIND", "8080", ":port"),
        ("BIND", "unix:/run/x.sock", ":port"),
        ("NETWORK", "unix", "tcp, tcp4 or tcp6"),
        ("PRESETS", "thumb", "name=options"),
        ("PRESETS_PATH", "/none", "/none cannot be read"),
        ("URL_REPLACEMENTS", "a", "pattern=replacement"),
        ("SIGNATURE_SIZE", "33", "1 to 32"),
        ("KEY", "zz", "1 keys and 0 salts"),
        ("WATERMARK_PATH", "/none.png", "not a file"),
        ("LOCAL_FILESYSTEM_ROOT", "/none", "not a folder"),
        ("PREFERRED_FORMATS", "jpeg,psd", "preferred_formats"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, text: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        loaded(**{name: text})


def test_what_is_not_supported_is_named() -> None:
    given = loaded(OPEN_TELEMETRY_ENABLE="true", SENTRY_DSN="https://x", SWIFT_USERNAME="u", WATERMARKS_CACHE_SIZE="3")
    for name in ("OPEN_TELEMETRY_ENABLE", "SENTRY_DSN", "SWIFT_USERNAME", "WATERMARKS_CACHE_SIZE"):
        assert sum(f"IMGPROXY_{name} " in w for w in given.warnings) == 1
    assert not any("SWIFT" in w for w in loaded(USE_SWIFT="false", OPEN_TELEMETRY_ENABLE="0").warnings)


def test_what_nobody_knows_is_named_with_the_nearest() -> None:
    (warning,) = [w for w in loaded(ALOWED_SOURCES="x").warnings if "ALOWED" in w]
    assert "did you mean IMGPROXY_ALLOWED_SOURCES" in warning


@pytest.mark.parametrize("name", sorted(SECURITY))
def test_a_security_variable_that_is_not_supported_refuses_to_start(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"IMGPROXY_{name} is not supported"):
        loaded(**{name: "something"})
    assert loaded(**{name: ""}).config.profile == "imgproxy"


def test_old_names_are_told_their_new_one() -> None:
    for old, new in RENAMED.items():
        given = loaded(**{old: "1"})
        assert any(f"IMGPROXY_{old} is an old name; it is IMGPROXY_{new} now" in w for w in given.warnings)
    both = loaded(CONCURRENCY="3", WORKERS="5")
    assert both.config.engine.workers == 5


def test_an_empty_variable_is_not_set_but_selects_the_profile() -> None:
    given = loaded(QUALITY="", KEY=" ")
    assert given.config.profile == "imgproxy"
    assert given.config.tenants[0].tenant.policy.quality == 80


def test_our_own_settings_win_and_may_keep_our_profile(tmp_path: Path) -> None:
    env = {"IMGPROXY_QUALITY": "30", "TINTYPE_TENANTS__DEFAULT__POLICY__QUALITY": "40", "TINTYPE_PROFILE": "tintype"}
    config = load(env=env).config
    assert config.profile == "tintype"
    assert config.tenants[0].tenant.policy.quality == 40
    assert not config.sources.allow_private


def test_a_local_file_of_variables(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(f"# keys\nexport IMGPROXY_KEY={KEY}\nIMGPROXY_SALT='{SALT}'\nIMGPROXY_QUALITY=55 # percent\n")
    given = load(env={"IMGPROXY_ENV_LOCAL_FILE_PATH": str(file)})
    assert given.config.tenants[0].imgproxy.keys == (KEY,)
    assert given.config.tenants[0].tenant.policy.quality == 55
    assert str(file) in given.paths
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(env={"IMGPROXY_ENV_LOCAL_FILE_PATH": "/none"})


def test_the_table_names_settings_that_exist() -> None:
    assert len({v.name for v in VARIABLES}) == len(VARIABLES)
    for known in VARIABLES:
        for name in filter(None, known.setting.split(", ")):
            path = tuple(name.split("."))
            assert find(path) or path[:2] == ("sources", "stores"), known
        assert why_unsupported(known.name) is None or known.read or known.setting, known


def facts() -> dict[str, Any]:
    """imgproxy's variables, and the environments under which its answers were recorded."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "imgproxy_facts.json").read_text())
    return found


def test_every_variable_of_imgproxy_is_known() -> None:
    names = set(facts()["variables"])
    assert len(names) > 100
    elsewhere = {name for name in names if name.startswith(("OPEN_TELEMETRY", "SENTRY"))}
    assert names - elsewhere - {v.name for v in VARIABLES} == set()
    assert all(why_unsupported(name) for name in elsewhere)


@pytest.mark.parametrize("variables", facts()["environments"], ids=lambda v: ",".join(v) or "none")
def test_recorded_environments_are_taken(variables: dict[str, str], tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"x")
    env = {k: v.replace("{origin}", "http://127.0.0.1:1") for k, v in variables.items()}
    given = loaded(**{k: str(image) if "{root}" in v else v for k, v in env.items()})
    assert given.config.profile == ("imgproxy" if variables else "tintype")
    assert not any("does nothing" in w for w in given.warnings)
