"""From perpend.toml and the environment to a Config, with errors that say where and what was meant."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from perpend.config import home_dir, load
from perpend.config.schema import Config
from perpend.errors import ConfigError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes ./perpend.toml of an otherwise empty working directory."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "perpend.toml"

    def to_file(text: str) -> Path:
        file.write_text(text)
        return file

    return to_file


def failure(environ: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(environ=environ or {})
    return caught.value


class TestFile:
    def test_without_a_file_the_defaults_hold(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        loaded = load(environ={"XDG_DATA_HOME": str(tmp_path)})
        assert loaded.config == Config()
        assert loaded.file is None

    def test_the_one_given_wins_over_the_variable_over_here_over_home(
        self, tmp_path: Path, write: Write
    ) -> None:
        given, named, home = tmp_path / "given.toml", tmp_path / "named.toml", tmp_path / "home"
        home.mkdir()
        for file, port in ((given, 1), (named, 2), (home / "perpend.toml", 4)):
            file.write_text(f"[serve]\nport = {port}")
        here = write("[serve]\nport = 3")
        environ = {"PERPEND_HOME": str(home), "PERPEND_CONFIG": str(named)}
        assert load(given, environ).config.serve.port == 1
        assert load(environ=environ).config.serve.port == 2
        del environ["PERPEND_CONFIG"]
        assert load(environ=environ).config.serve.port == 3
        here.unlink()
        assert load(environ=environ).config.serve.port == 4

    def test_one_that_was_named_must_exist(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no config file at"):
            load(tmp_path / "none.toml", {})
        with pytest.raises(ConfigError, match="PERPEND_CONFIG"):
            load(environ={"PERPEND_CONFIG": str(tmp_path / "none.toml")})

    def test_relative_paths_start_at_the_files_folder(self, tmp_path: Path) -> None:
        file = tmp_path / "perpend.toml"
        file.write_text('[models.small]\ngguf = "weights/small.gguf"')
        assert load(file, {}).config.models["small"].gguf == tmp_path / "weights" / "small.gguf"

    def test_prices_are_exact(self, write: Write) -> None:
        write("[models.m.price]\ninput = 0.15\noutput = 0.6")
        price = load(environ={}).config.models["m"].price
        assert price
        assert (price.input, price.output) == (Decimal("0.15"), Decimal("0.6"))


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[serve]\nprot = 1", ["perpend.toml:2: serve.prot", "unknown key", "did you mean 'serve.port'"]),
            ("\nport = 1", ["perpend.toml:2: port", "did you mean 'serve.port'"]),
            ("[server]\nport = 1", ["perpend.toml:1: server", "did you mean 'serve'"]),
            ('[serve]\n\nport = "x"', ["perpend.toml:3: serve.port", "expected `int`, got `str`"]),
            ("[serve]\nport = 70000", ["serve.port", "<= 65535"]),
            ("serve = 1", ["perpend.toml:1: serve", "expected a table"]),
            ('[defaults]\neffort = "hgih"', ["defaults.effort", "'hgih' is none of none", "mean 'high'"]),
            ('[providers.x]\nwire = "openai_chat"', ["perpend.toml:1: providers.x", "'base_url' is missing"]),
            ('[providers.x]\nlike = "vlm"', ["perpend.toml:2: providers.x.like", "did you mean 'vllm'?"]),
            (
                '[models.m]\nprovider = "opnai"',
                ["perpend.toml:2: models.m.provider", "did you mean 'openai'?"],
            ),
            ("[models.m]\nprice = { inptu = 1 }", ["perpend.toml:2: models.m.price.inptu", "price.input"]),
            ("[models.m.price]\ninput = -1", ["models.m.price", "can't be negative"]),
            (
                "[models.m.effort_tokens]\nhihg = 1",
                ["perpend.toml:2: models.m.effort_tokens.hihg", "mean 'high'"],
            ),
            ("[models.m]\ngguf = 3", ["models.m.gguf", "expected a path"]),
            ("[serve]\nport = ", ["perpend.toml:2:", "not valid TOML"]),
            ("[serve\n", ["perpend.toml:1:", "not valid TOML"]),
        ],
    )
    def test_name_the_file_the_line_the_key_and_what_was_meant(
        self, write: Write, text: str, words: list[str]
    ) -> None:
        write(text)
        message = str(failure())
        for word in words:
            assert word in message

    def test_all_of_them_at_once(self, write: Write) -> None:
        write("[serve]\nprot = 1\nhost = 2\n[engine]\nslots = -1")
        assert [row.split(" ")[0] for row in failure().message.splitlines()] == [
            "perpend.toml:2:",
            "perpend.toml:3:",
            "perpend.toml:5:",
        ]

    def test_a_value_that_may_be_a_secret_is_not_repeated(self, write: Write) -> None:
        write('[providers.x]\nbase_url = "http://127.0.0.1"\nheaders = "Bearer s3cret"')
        assert "s3cret" not in str(failure())

    def test_text_that_is_not_utf8(self, write: Write) -> None:
        write("").write_bytes(b"\xff\xfe")
        assert "not UTF-8" in str(failure())


class TestEnvironment:
    def test_a_variable_goes_over_the_file(self, write: Write) -> None:
        write('[serve]\nport = 1\nhost = "::1"')
        loaded = load(environ={"PERPEND_SERVE__PORT": "9000"})
        assert (loaded.config.serve.port, loaded.config.serve.host) == (9000, "::1")
        assert loaded.origins[("serve", "port")] == "PERPEND_SERVE__PORT"
        assert loaded.origins[("serve", "host")] == "perpend.toml:3"

    def test_text_stays_text_even_when_it_looks_like_a_number(self, write: Write) -> None:
        write("")
        assert load(environ={"PERPEND_DEFAULTS__MODEL": "7"}).config.defaults.model == "7"

    def test_names_of_ones_own_are_matched_roughly(self, write: Write) -> None:
        write('[models."my-model.v2"]\nfamily = "a"')
        models = load(environ={"PERPEND_MODELS__MY_MODEL_V2__FAMILY": "b"}).config.models
        assert models["my-model.v2"].family == "b"

    def test_a_table_is_written_inline(self, write: Write) -> None:
        write("")
        environ = {
            "PERPEND_PROVIDERS__LOCAL__BASE_URL": "http://127.0.0.1:1",
            "PERPEND_PROVIDERS__LOCAL__HEADERS": '{ X-Team = "a" }',
        }
        assert load(environ=environ).config.providers["local"].headers == {"X-Team": "a"}

    def test_home_is_a_variable_and_a_key(self, tmp_path: Path, write: Write) -> None:
        write(f'home = "{tmp_path}/a"')
        assert home_dir(load(environ={}).config, {}) == tmp_path / "a"
        assert load(environ={"PERPEND_HOME": f"{tmp_path}/b"}).config.home == tmp_path / "b"

    def test_empty_and_foreign_variables_are_left_alone(self, write: Write) -> None:
        write("")
        assert load(environ={"PERPEND_SERVE__PORT": "", "PERPEND_API_KEY": "k"}).config == Config()

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("PERPEND_SERVE__PROT", "1", ["did you mean PERPEND_SERVE__PORT"]),
            ("PERPEND_SERVE__PORT", "x", ["PERPEND_SERVE__PORT", "int"]),
            ("PERPEND_DEFAULTS__EFFORT", "hihg", ["PERPEND_DEFAULTS__EFFORT", "did you mean 'high'"]),
            ("PERPEND_MODELS__M__PRICE", "{", ["PERPEND_MODELS__M__PRICE", "not a TOML value"]),
            ("PERPEND_PROVIDERS__X__WIRE", "openai_chat", ["PERPEND_PROVIDERS__X__WIRE", "base_url"]),
        ],
    )
    def test_errors_name_the_variable(self, write: Write, name: str, value: str, words: list[str]) -> None:
        write("")
        message = str(failure({name: value}))
        for word in [name, *words]:
            assert word in message


def test_home_is_the_platforms_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert home_dir(environ={"XDG_DATA_HOME": str(tmp_path)}) == tmp_path / "perpend"
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert home_dir(environ={}) == tmp_path / ".local" / "share" / "perpend"
    monkeypatch.setattr("sys.platform", "darwin")
    assert home_dir(environ={}) == tmp_path / "Library" / "Application Support" / "perpend"


class TestDeployments:
    PLACE = '[providers.a]\nbase_url = "http://x/v1"\n'

    @pytest.mark.parametrize(
        ("row", "said"),
        [
            ('{ provider = "a", nmae = "x" }', "did you mean 'models.m.deployments.name'"),
            ('{ provider = "a", weight = 0 }', "models.m.deployments.weight: expected `float` > 0.0"),
            ('{ provider = "b" }', "models.m.deployments: no provider 'b'"),
            ('{ name = "x" }', "'provider' is missing"),
        ],
    )
    def test_a_wrong_place_is_told_by_its_line(self, write: Write, row: str, said: str) -> None:
        write(f"{self.PLACE}[models.m]\ndeployments = [{row}]")
        error = failure()
        assert said in error.message
        assert "perpend.toml:4" in error.message or "perpend.toml:3" in error.message

    def test_places_and_keys_are_read(self, write: Write) -> None:
        write(
            f'{self.PLACE}api_key_env = ["K1", "K2"]\n'
            '[models.m]\ndeployments = [{ provider = "a", weight = 2 }]\nfallbacks = ["n"]'
        )
        config = load(environ={}).config
        (place,) = config.models["m"].deployments
        assert (place.provider, place.weight) == ("a", 2)
        assert config.providers["a"].key_variables == ("K1", "K2")
        assert not config.models["m"].embedded


NUMBERS = [
    "[storage]\nresponses_days = {}",
    "[engine]\nstart_timeout_s = {}",
    "[engine]\ncontext = {}",
    "[serve]\nmax_body_bytes = {}",
    "[providers.p]\nbase_url = 'http://a'\nread_timeout_s = {}",
    "[verifiers.v]\nfunction = 'a:b'\ntimeout_s = {}",
    "[models.m]\nprovider = 'openai'\n[models.m.price]\noutput = {}",
    "[models.m]\nprovider = 'openai'\n[models.m.price]\ncached = {}",
    "[models.m]\nprovider = 'openai'\n[[models.m.deployments]]\nprovider = 'openai'\nweight = {}",
    "[models.m]\ngguf = 'a.gguf'\neffort_tokens = {{ low = {} }}",
]


@pytest.mark.parametrize("value", ["inf", "nan", "-inf", "-1", "1e300", "1" + "0" * 40])
@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_without_sense_or_bound_are_told_with_their_line(
    text: str, value: str, tmp_path: Path
) -> None:
    file = tmp_path / "perpend.toml"
    file.write_text(text.format(value))
    with pytest.raises(ConfigError, match=r"perpend\.toml:\d+: "):
        load(file, {})
    file.write_text(text.format(1))
    load(file, {})


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "Infinity", "1e300"])
def test_so_are_those_of_the_environment(value: str, tmp_path: Path) -> None:
    file = tmp_path / "perpend.toml"
    file.write_text("[models.m]\nprovider = 'openai'\n[models.m.price]\noutput = 1")
    for name in ("STORAGE__RESPONSES_DAYS", "ENGINE__START_TIMEOUT_S", "MODELS__M__PRICE__OUTPUT"):
        with pytest.raises(ConfigError, match=name):
            load(file, {f"PERPEND_{name}": value})


def test_a_mark_before_the_first_letter_is_no_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "perpend.toml"
    file.write_bytes(b"\xef\xbb\xbf[serve]\nport = 9000\n")
    loaded = load(file, {})
    assert loaded.config.serve.port == 9000
    assert loaded.origins["serve", "port"].endswith("perpend.toml:2")
    file.write_bytes(b"\xef\xbb\xbf[serve]\nport = no\n")
    with pytest.raises(ConfigError, match=r"perpend\.toml:2: not valid TOML"):
        load(file, {})


def test_classes_that_arent_named_keep_their_floors_and_waits(write: Write) -> None:
    write("[admission]\nfloors = { batch = 0.05 }\ntarget_wait_s = { interactive = 0.5 }\n")
    admission = load(environ={}).config.admission
    assert admission.all_floors == {"interactive": 0.6, "standard": 0.3, "batch": 0.05}
    assert admission.all_target_waits_s == {"interactive": 0.5, "standard": 5.0, "batch": 20.0}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("floors = { batch = 0.5 }", "at most 1"),
        ("floors = { batch = 0 }", "batch"),
        ("floors = { bulk = 0.1 }", "bulk"),
        ("max_queue = -1", "max_queue"),
    ],
)
def test_floors_without_sense_are_told(write: Write, row: str, said: str) -> None:
    write(f"[admission]\n{row}\n")
    assert said in str(failure())
