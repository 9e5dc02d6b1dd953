"""Loading: what wins over what, where values came from, and what is refused with which words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.config import Loaded, coerce, load, reload, watch_paths
from tintype.config.schema import Spec, specs
from tintype.config.values import Setting
from tintype.core.errors import Misconfigured
from tintype.core.formats import Format
from tintype.core.policy import Light
from tintype.core.quota import QuotaSettings

KEY, SALT = "736563726574", "68656c6c6f"


def toml(tmp_path: Path, text: str) -> str:
    file = tmp_path / "tintype.toml"
    file.write_text(text)
    return str(file)


def setting(loaded: Loaded, name: str) -> Setting:
    return next(s for s in loaded.settings if s.name == name)


def refused(text: str, tmp_path: Path, **env: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(env=env, path=toml(tmp_path, text))
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("rs:fill:64:64/nope:1", "presets.thumb: there is no option 'nope'; see the reference of options"),
        ("q:900", "presets.thumb: option q: got '900', allowed is a whole number from 0 to 100"),
        ("pr:small", "presets.thumb: there is no preset 'small' to call"),
    ],
)
def test_a_preset_that_cannot_work_is_told_with_its_name_and_what_is_allowed(
    options: str, says: str, tmp_path: Path
) -> None:
    assert refused(f"[tenants.acme.presets]\nthumb = '{options}'\n", tmp_path).startswith(f"tenants.acme.{says}")


def test_a_pattern_that_cannot_work_is_told_with_its_setting(tmp_path: Path) -> None:
    text = "[tenants.acme.url_replacements]\n'http://a/*' = 'b/${2}'\n"
    assert refused(text, tmp_path).startswith("tenants.acme.url_replacements: 'b/${2}' refers to a *")


def test_an_encrypted_source_needs_keys_but_those_of_a_fresh_install_are_yet_to_come(tmp_path: Path) -> None:
    key = f"source_key = '{'00' * 16}'"
    assert load(env={}, path=toml(tmp_path, f"[tenants.default]\n{key}\n")).config.embedded
    unsigned = f"[tenants.acme]\n{key}\n[tenants.other]\nprefix = '/other'\n"
    assert "tenants.acme.source_key needs signing keys" in refused(unsigned, tmp_path)


def test_nothing_given_is_one_tenant_at_the_root_with_keys_to_come() -> None:
    config = load(env={}).config
    assert config.profile == "tintype"
    assert config.embedded
    (only,) = config.tenants
    assert (only.name, only.tenant.hosts, only.tenant.prefix) == ("default", (), "")
    assert only.tenant.policy.light is Light.LINEAR
    assert only.tenant.policy.webp_effort == 2
    assert not config.sources.allow_private
    assert load(env={}).warnings == ()


def test_flag_beats_variable_beats_file_beats_default(tmp_path: Path) -> None:
    path = toml(tmp_path, "[server]\nport = 1\nhost = '10.0.0.1'\nkeep_alive_timeout_s = 3\n")
    env = {"TINTYPE_SERVER__PORT": "2", "TINTYPE_SERVER__HOST": "10.0.0.2"}
    loaded = load({"server.port": "3"}, env, path)
    assert (loaded.config.server.port, loaded.config.server.host) == (3, "10.0.0.2")
    assert setting(loaded, "server.port").origin == "--set server.port"
    assert setting(loaded, "server.host").origin == "TINTYPE_SERVER__HOST"
    assert setting(loaded, "server.keep_alive_timeout_s").origin == f"{path}:4"
    assert setting(loaded, "server.read_timeout_s").origin == "default"
    assert setting(loaded, "tenants.default.policy.light").origin == "profile tintype"


def test_the_file_is_found_by_option_variable_or_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for number, folder in enumerate((one, two, three), 1):
        folder.mkdir()
        (folder / "tintype.toml").write_text(f"[server]\nport = {number}\n")
    monkeypatch.chdir(three)
    env = {"TINTYPE_CONFIG": str(two / "tintype.toml")}
    assert load(env=env, path=str(one / "tintype.toml")).config.server.port == 1
    assert load(env=env).config.server.port == 2
    assert load(env={}).config.server.port == 3
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(env={"TINTYPE_CONFIG": str(tmp_path / "none.toml")})


def test_a_tenant_in_full(tmp_path: Path) -> None:
    (tmp_path / "mark.png").write_bytes(b"x")
    path = toml(
        tmp_path,
        f"""
        [server]
        path_prefix = "/img"
        [tenants.acme]
        hosts = ["img.acme.com", "cdn.acme.com"]
        prefix = "/acme"
        allowed_sources = ["https://*.acme.com/", "s3://acme/"]
        source_bytes = 5_000_000
        [[tenants.acme.keys]]
        id = "2024"
        key = "{KEY}"
        salt = "{SALT}"
        [[tenants.acme.keys]]
        id = "2023"
        key = "{SALT}"
        salt = "{KEY}"
        [tenants.acme.presets]
        thumb = "rs:fill:64:64"
        default = "q:70"
        [tenants.acme.policy]
        quality = 75
        format_quality = {{ webp = 70, avif = 50 }}
        auto_formats = ["avif", "webp"]
        light = "gamma"
        [tenants.acme.delivery]
        ttl_s = 600
        [tenants.acme.watermark]
        path = "{tmp_path}/mark.png"
        [tenants.other]
        hosts = ["other.com"]
        keys = ["{KEY}"]
        salts = ["{SALT}"]
        [sources.stores.archive]
        endpoint = "https://s3.example.com"
        secret_key = "shh"
        """,
    )
    config = load(env={}, path=path).config
    acme, other = config.tenants
    assert not config.embedded
    assert acme.tenant.hosts == ("img.acme.com", "cdn.acme.com")
    assert acme.imgproxy.keys == (KEY, SALT)
    assert acme.imgproxy.salts == (SALT, KEY)
    assert acme.imgproxy.key_ids == ("2024", "2023")
    assert acme.imgproxy.path_prefix == "/img/acme"
    assert acme.imgproxy.allowed_sources == ("https://*.acme.com/", "s3://acme/")
    assert dict(acme.imgproxy.presets) == {"thumb": "rs:fill:64:64", "default": "q:70"}
    assert acme.tenant.source_bytes == 5_000_000
    assert acme.tenant.policy.format_quality == ((Format.AVIF, 50), (Format.WEBP, 70))
    assert acme.tenant.policy.auto_formats == (Format.AVIF, Format.WEBP)
    assert acme.tenant.policy.light is Light.GAMMA
    assert acme.tenant.policy.watermark
    assert acme.tenant.delivery.ttl_s == 600
    assert not other.tenant.policy.watermark
    assert other.tenant.policy.light is Light.LINEAR
    assert dict(config.sources.stores)["archive"].secret_key == "shh"


def test_a_quota_is_its_tenants_own_and_there_is_none_by_default(tmp_path: Path) -> None:
    text = "[tenants.acme.quota]\nms_per_s = 200\nms_per_day = 5_000_000\ndark = true\n[tenants.other]\nprefix = '/o'\n"
    acme, other = load(env={"TINTYPE_TENANTS__ACME__QUOTA__BURST_S": "3"}, path=toml(tmp_path, text)).config.tenants
    assert acme.tenant.quota == QuotaSettings(ms_per_s=200, burst_s=3, ms_per_day=5_000_000, dark=True)
    assert (other.tenant.quota.ms_per_s, other.tenant.quota.ms_per_day, other.tenant.quota.dark) == (0, 0, False)


def test_keys_and_clients_have_quotas_and_one_that_binds_nobody_is_warned_of(tmp_path: Path) -> None:
    text = "[tenants.acme]\nkey_quota.ms_per_s = 5\nclient_quota.ms_per_day = 7\n"
    loaded = load(env={}, path=toml(tmp_path, text))
    tenant = loaded.config.tenants[0].tenant
    assert (tenant.quota, tenant.key_quota) == (QuotaSettings(), QuotaSettings(ms_per_s=5))
    assert tenant.client_quota == QuotaSettings(ms_per_day=7)
    assert sum("binds nobody" in warning for warning in loaded.warnings) == 2
    proxied = load(env={"TINTYPE_SERVER__TRUSTED_PROXIES": "10.0.0.0/8, ::1"}, path=toml(tmp_path, text))
    assert proxied.config.server.trusted_proxies == ("10.0.0.0/8", "::1")
    assert sum("binds nobody" in warning for warning in proxied.warnings) == 1


def test_trusted_proxies_are_ranges_and_all_of_them_is_warned_of(tmp_path: Path) -> None:
    for wrong in ("10.0.0.1/8", "localhost", "10.0.0.0/33", ""):
        message = refused(f"[server]\ntrusted_proxies = ['{wrong}']", tmp_path)
        assert message.startswith(f"server.trusted_proxies: {wrong!r} is no address or range such as 10.0.0.0/8")
    loaded = load(env={}, path=toml(tmp_path, "[server]\ntrusted_proxies = ['::/0']"))
    assert any("every address" in warning for warning in loaded.warnings)


@pytest.mark.parametrize("wrong", ["localhost", "", "127.0.0.1:80", "[::1]"])
def test_a_node_listens_at_an_address(wrong: str, tmp_path: Path) -> None:
    message = refused(f"[server]\nhost = '{wrong}'", tmp_path)
    assert message.startswith(f"server.host: {wrong!r} is not an IP address; it takes 127.0.0.1 for this machine")


def test_an_empty_table_declares_a_tenant(tmp_path: Path) -> None:
    loaded = load(env={}, path=toml(tmp_path, "[tenants.open]\n"))
    assert [t.name for t in loaded.config.tenants] == ["open"]
    assert not loaded.config.embedded
    assert any("open has no keys" in w for w in loaded.warnings)


def test_variables_reach_tenants_and_stores_in_the_spelling_of_the_file(tmp_path: Path) -> None:
    path = toml(tmp_path, "[tenants.acme-shop]\nprefix = '/a'\n[sources.stores.s3]\nregion = 'x'\n")
    env = {
        "TINTYPE_TENANTS__ACME_SHOP__KEYS": f"{KEY}, {SALT}",
        "TINTYPE_TENANTS__ACME_SHOP__SALTS": f"{SALT},{KEY}",
        "TINTYPE_TENANTS__ACME_SHOP__POLICY__FORMAT_QUALITY": "webp=60,jpg=70",
        "TINTYPE_TENANTS__ACME_SHOP__PRESETS": "a=w:1,b=h:2",
        "TINTYPE_SOURCES__STORES__S3__REGION": "eu-west-1",
        "TINTYPE_DATA_DIR": "/data",
        "TINTYPE_ENGINE__ISOLATION": "tenant",
        "TINTYPE_SERVER__DEMO": "off",
    }
    config = load(env=env, path=path).config
    (tenant,) = config.tenants
    assert (tenant.name, tenant.imgproxy.keys) == ("acme-shop", (KEY, SALT))
    assert tenant.tenant.policy.format_quality == ((Format.JPEG, 70), (Format.WEBP, 60))
    assert tenant.imgproxy.presets == (("a", "w:1"), ("b", "h:2"))
    assert dict(config.sources.stores)["s3"].region == "eu-west-1"
    assert (config.data_dir, config.engine.isolation, config.server.demo) == ("/data", "tenant", False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprot = 1", ("server.prot", "tintype.toml:2", "did you mean server.port")),
        ("[sever]\nport = 1", ("sever.port", "did you mean server.port")),
        ("[tenants.a]\nquality = 3", ("tenants.a.quality", "did you mean tenants.a.policy.quality")),
        ("[tenants.a.policy]\nqualty = 3", ("did you mean tenants.a.policy.quality",)),
        ("data_dri = 'x'", ("did you mean data_dir",)),
        ("[server]\nport = 'x'", ("server.port", "'x'", "a whole number, 0 to 65535")),
        ("[server]\nport = 70000", ("70000", "0 to 65535")),
        ("[server]\nport = true", ("True", "a whole number")),
        ("[server]\ndemo = 1", ("true or false",)),
        ("[server]\nread_timeout_s = nan", ("server.read_timeout_s", "a number")),
        ("[server]\nread_timeout_s = -1", ("a number, 0 or more",)),
        ("[engine]\nisolation = 'pod'", ("'pod'", "node, tenant, image")),
        ("[telemetry]\nlog_format = 'xml'", ("auto, json, pretty",)),
        ("[limits]\nrender_queue = 0", ("1 or more",)),
        ("[tenants.a.policy]\nquality = 0", ("1 to 100",)),
        ("[tenants.a.policy]\nformat_quality = { webp = 101 }", ("1 to 100",)),
        ("[tenants.a.policy]\nformat_quality = { webpp = 1 }", ("formats",)),
        ("[tenants.a.policy]\nauto_formats = ['png']", ("jxl, avif, webp",)),
        ("[tenants.a.policy]\npreferred_formats = ['psd']", ("preferred_formats",)),
        ("[tenants.a.policy]\npreferred_formats = []", ("preferred_formats",)),
        ("[tenants.a]\nhosts = 'a.com'", ("a list of texts",)),
        ("[tenants.a]\nprefix = 'a'", ("path prefix",)),
        ("[tenants.a]\nprefix = '/a/'", ("path prefix",)),
        ("[tenants.a]\ndialect = 'imagor'", ("one of imgproxy",)),
        (f"[tenants.a]\nkeys = ['{KEY}']", ("1 keys and 0 salts",)),
        (f"[tenants.a]\nkeys = ['xyz']\nsalts = ['{SALT}']", ("keys: number 1 is not hexadecimal",)),
        (f"[tenants.a]\nkeys = ['{KEY}']\nsalts = ['{SALT}']\nkey_ids = ['a', 'b']", ("2 names for 1 keys",)),
        ("[[tenants.a.keys]]\nkey = 'aa'", ("takes key, salt and id",)),
        ("[tenants.a]\nsource_key = 'aabb'", ("not an AES key",)),
        ("[tenants.a]\narguments_separator = '/'", ("cannot separate",)),
        ("[tenants.a]\n[tenants.b]\n", ("tenants.b and tenants.a are both at host any",)),
        ("[tenants.a.fallback]\nstatus = 99", ("0 or 100 to 599",)),
        ("[tenants.a.watermark]\npath = '/none.png'", ("/none.png is not a file",)),
        ("[tenants.a.watermark]\ndata = '%%%'", ("not base64",)),
        ("[tenants.a.delivery]\nlast_modified_buster = 'yesterday'", ("not a date",)),
        ("[tenants.'a b']\nprefix = '/x'", ("letters, digits",)),
        ("[sources]\nlocal_root = '/none'", ("sources.local_root: /none is not a folder",)),
        ("[sources.stores.https]\nregion = 'x'", ("scheme of its URLs",)),
        ("[sources.stores.s3]\nkind = 'ftp'", ("s3, gs, abs",)),
        ("[server]\nmetrics_port = 8080", ("port of their own",)),
        ("profile = 'thumbor'", ("tintype, imgproxy",)),
        ("port = !\nhost = 1", ("is not TOML", "line 1")),
        ("server = 3", ("server",)),
        ("tenants = 3", ("tenants",)),
        ("[sources]\nstores = 3", ("sources.stores",)),
    ],
)
def test_a_wrong_setting_is_refused_by_name_with_what_is_allowed(
    text: str, says: tuple[str, ...], tmp_path: Path
) -> None:
    message = refused(text, tmp_path)
    for part in says:
        assert part in message, message
    assert "\n" not in message


def test_a_wrong_variable_is_refused_by_its_name(tmp_path: Path) -> None:
    assert "TINTYPE_SERVER__PORT" in refused("", tmp_path, TINTYPE_SERVER__PORT="http")
    assert "did you mean TINTYPE_SERVER__PORT" in refused("", tmp_path, TINTYPE_SERVER__PROT="1")


def test_a_secret_is_not_told_when_it_is_wrong(tmp_path: Path) -> None:
    message = refused("[server]\nadmin_token = 123456789", tmp_path)
    assert "123456789" not in message
    message = refused("[tenants.a]\nkeys = ['not-hex-at-all']\nsalts = ['aa']", tmp_path)
    assert "not-hex-at-all" not in message


def test_secrets_from_files_and_variables(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    (tmp_path / "keys").write_text(f"{KEY}\n{SALT}\n")
    path = toml(
        tmp_path,
        f"""
        server.admin_token = "file:{tmp_path}/token"
        [tenants.a]
        keys = ["file:{tmp_path}/keys"]
        salts = ["env:SALT_ONE", "{KEY}"]
        """,
    )
    loaded = load(env={"SALT_ONE": SALT}, path=path)
    assert loaded.config.server.admin_token == "from-a-file"
    assert loaded.config.tenants[0].imgproxy.keys == (KEY, SALT)
    assert loaded.config.tenants[0].imgproxy.salts == (SALT, KEY)
    assert set(watch_paths(loaded)) == {path, f"{tmp_path}/token", f"{tmp_path}/keys"}
    with pytest.raises(Misconfigured, match="SALT_ONE, which is not set"):
        load(env={}, path=path)
    (tmp_path / "token").unlink()
    with pytest.raises(Misconfigured, match="token cannot be read"):
        load(env={"SALT_ONE": SALT}, path=path)


def test_secrets_of_a_variable_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{KEY}\n")
    env = {"TINTYPE_TENANTS__DEFAULT__KEYS": f"file:{tmp_path}/keys", "TINTYPE_TENANTS__DEFAULT__SALTS": SALT}
    assert load(env=env).config.tenants[0].imgproxy.keys == (KEY,)


def test_secrets_are_not_in_the_repr_of_a_configuration(tmp_path: Path) -> None:
    path = toml(tmp_path, f"server.admin_token = 'hush-hush'\n[tenants.a]\nkeys = ['{KEY}']\nsalts = ['{SALT}']\n")
    loaded = load({"server.port": "1"}, {"AWS_SECRET_ACCESS_KEY": "hush-aws"}, path)
    for secret in ("hush-hush", KEY, SALT, "hush-aws"):
        assert secret not in repr(loaded.config)
        assert secret not in repr(loaded.request)


def test_loading_again_sees_the_change_and_a_bad_one_leaves_the_old(tmp_path: Path) -> None:
    path = toml(tmp_path, "[tenants.a]\nprefix = '/a'\n")
    loaded = load({"server.port": "1"}, {"TINTYPE_SERVER__HOST": "10.0.0.1"}, path)
    toml(tmp_path, "[tenants.a]\nprefix = '/b'\n")
    again = reload(loaded)
    assert again.config.tenants[0].tenant.prefix == "/b"
    assert (again.config.server.port, again.config.server.host) == (1, "10.0.0.1")
    toml(tmp_path, "[tenants.a]\nprefix = 'b'\n")
    with pytest.raises(Misconfigured):
        reload(again)
    assert again.config.tenants[0].tenant.prefix == "/b"


def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "huge.toml"
    with file.open("wb") as out:
        out.truncate(10**9)
    with pytest.raises(Misconfigured, match="larger than"):
        load(env={}, path=str(file))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured, match="not UTF-8"):
        load(env={}, path=str(tmp_path / "binary.toml"))
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(env={}, path=str(tmp_path))


def test_the_present_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith(("TINTYPE_", "IMGPROXY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TINTYPE_SERVER__PORT", "4321")
    assert load().config.server.port == 4321


def valid_text(spec: Spec) -> st.SearchStrategy[str]:
    """Texts that a setting takes, by the words it says itself."""
    words = coerce.takes(spec)
    if words == "true or false":
        return st.sampled_from(["true", "false", "1", "0", "on", "off"])
    if words.startswith(("a whole number", "a list of at most")):
        one = st.integers(int(spec.least), int(spec.most or spec.least + 10**6)).map(str)
        return one if words.startswith("a whole number") else st.lists(one, max_size=8).map(",".join)
    if words.startswith("a number"):
        return st.floats(spec.least, spec.most or 10**6, allow_nan=False).map(repr)
    if words.startswith("one of "):
        return st.sampled_from(words.removeprefix("one of ").split(", "))
    if words.startswith(("a list of formats", "a list of texts: ")):
        return st.lists(st.sampled_from(words.partition(": ")[2].split(", ")), min_size=1).map(",".join)
    return st.text("abcdefgh-._", min_size=1)


def test_a_node_is_waited_for_as_long_as_it_may_take_to_end() -> None:
    config = load({"server.drain_timeout_s": "60", "limits.request_timeout_s": "30"}, env={}).config
    assert config.ends_within_s == 60 + 30 + 5


@given(st.data())
def test_what_a_setting_says_it_takes_is_taken(data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from([s for s in specs().values() if "table" not in coerce.takes(s)]))
    coerce.read_text(spec, data.draw(valid_text(spec)))


@given(st.text(), st.sampled_from(list(specs().values())))
def test_any_text_is_taken_or_refused_never_a_crash(text: str, spec: Spec) -> None:
    try:
        coerce.read_text(spec, text)
    except coerce.Wrong:
        assert coerce.takes(spec)
