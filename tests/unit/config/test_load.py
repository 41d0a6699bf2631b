"""What a run is told, by whom, and what is said about a mistake."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

import fanout
from fanout.aws.run_queue import ATTRIBUTES
from fanout.config import errors
from fanout.config.load import load_config
from fanout.config.model import PART_S_MAX, Config
from fanout.domain.location import Location, parse_prefix
from fanout.errors import Exit, UsageError


@pytest.fixture
def toml(tmp_path):
    """Write a configuration; return its path."""

    def write(text, *, name="job.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def load(path=None, *, environ=None, flags=None):
    return load_config(path, environ=environ or {}, flags=flags or {})


def complaint(path=None, **sources):
    with pytest.raises(UsageError) as caught:
        load(path, **sources)
    assert caught.value.exit is Exit.USAGE
    return str(caught.value)


# Who has the last word


def test_with_nothing_said_the_defaults_hold():
    config = load()
    assert config == Config()
    assert (config.transport.mode, config.transport.inline_max_bytes) == ("auto", 128_000)
    assert (config.pacing.rate, config.pacing.window) == (None, 10_000)
    assert (config.input.line_max_bytes, config.run.max_failures) == (64 * 1024 * 1024, None)


def test_it_works_with_nothing_else(toml, monkeypatch):
    monkeypatch.setenv("FANOUT_PACING_RATE", "9")
    assert load_config() == Config(), "a library reads no variables unless it is asked to"
    path = toml("[pacing]\nrate = 1\n")
    assert fanout.load_config(path).pacing.rate == 1
    assert load_config(str(path)) == load_config(path)
    assert load_config(path, environ=os.environ).pacing.rate == 9
    assert complaint(str(toml("[pacing", name="broken.toml"))).startswith(str(path.parent / "broken.toml"))


@pytest.mark.parametrize(
    ("sources", "rate"),
    [
        ((), None),
        (("toml",), 1.0),
        (("env",), 2.0),
        (("flags",), 3.0),
        (("toml", "env"), 2.0),
        (("toml", "flags"), 3.0),
        (("env", "flags"), 3.0),
        (("toml", "env", "flags"), 3.0),
    ],
)
def test_flags_override_the_environment_which_overrides_the_file_which_overrides_the_defaults(
    toml, sources, rate
):
    config = load(
        toml("[pacing]\nrate = 1\n") if "toml" in sources else None,
        environ={"FANOUT_PACING_RATE": "2"} if "env" in sources else {},
        flags={"pacing": {"rate": 3}} if "flags" in sources else {},
    )
    assert config.pacing.rate == rate


def test_sources_are_merged_key_by_key(toml):
    path = toml('[pacing]\nrate = 1\nwindow = 5\n[endpoint]\nname = "e"\n')
    config = load(
        path, environ={"FANOUT_PACING_BURST": "4"}, flags={"pacing": {"rate": 9}, "input": {"limit": 3}}
    )
    assert (config.pacing.rate, config.pacing.window, config.pacing.burst) == (9, 5, 4)
    assert (config.endpoint.name, config.input.limit) == ("e", 3)


def test_a_list_replaces_a_list(toml):
    path = toml('[columns]\nkeep = ["a", "b"]\n')
    assert load(path, environ={"FANOUT_COLUMNS_KEEP": "c"}).columns.keep == ("c",)
    assert load(path, flags={"columns": {"keep": ["d", "e"]}}).columns.keep == ("d", "e")


@pytest.mark.parametrize("file", [True, False])
def test_a_flag_that_was_not_given_says_nothing(toml, file):
    path = toml('[transport]\nmode = "s3"\n[pacing]\nwindow = 7\n') if file else None
    flags = {
        "transport": {"mode": None, "concurrency": None},
        "pacing": {"window": None},
        "output": {"overwrite": None},
    }
    config = load(path, flags=flags)
    assert (config.transport.mode, config.pacing.window) == (("s3", 7) if file else ("auto", 10_000))
    assert config.output.overwrite is False


def test_what_is_handed_in_stays_as_it_was(toml):
    environ, flags = {"FANOUT_PACING_RATE": "2"}, {"pacing": {"window": 3}, "output": {"path": None}}
    load(toml("[pacing]\nrate = 1\n"), environ=environ, flags=flags)
    assert environ == {"FANOUT_PACING_RATE": "2"}
    assert flags == {"pacing": {"window": 3}, "output": {"path": None}}


def test_a_configuration_is_frozen():
    with pytest.raises(ValidationError):
        load().pacing.rate = 5.0


# The environment


def test_a_value_in_the_environment_that_does_not_fit_names_its_variable():
    said = complaint(environ={"FANOUT_PACING_RATE": "fast"})
    assert said == 'FANOUT_PACING_RATE (pacing.rate) = "fast": should be a number'


def test_a_value_is_told_of_where_it_had_the_last_word(toml):
    path = toml("[pacing]\nrate = 0\nwindow = 0\nburst = -1\n")
    said = complaint(path, environ={"FANOUT_PACING_WINDOW": "none"}, flags={"pacing": {"rate": -3}})
    assert said.splitlines() == [
        "pacing.rate (--rate) = -3: should be greater than 0",
        f"{path}:4: pacing.burst = -1: should be at least 0",
        'FANOUT_PACING_WINDOW (pacing.window) = "none": should be a whole number',
    ]


# Mistakes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[pacing]\nraet = 1\n", "2: unknown key 'pacing.raet'; did you mean 'rate'?"),
        ("[pacng]\nrate = 1\n", "1: unknown key 'pacng'; did you mean 'pacing'?"),
        ("[endpoint]\nnmae = 'e'\n", "2: unknown key 'endpoint.nmae'; did you mean 'name'?"),
        (
            "\n[transport]\nmax_concurrency = 3\n",
            "3: unknown key 'transport.max_concurrency'; did you mean 'concurrency'?",
        ),
        ("rate = 1\n", "1: unknown key 'rate'; "),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(toml, text, said):
    path = toml(text)
    assert complaint(path).startswith(f"{path}:{said}")


def test_an_unknown_key_that_is_near_to_nothing_names_all():
    said = complaint(flags={"pacing": {"zzzzzzzz": 1}})
    assert said == "unknown key 'pacing.zzzzzzzz'; known are " + ", ".join(
        map(repr, type(Config().pacing).model_fields)
    )


def test_every_mistake_is_named(toml):
    path = toml('[pacing]\nraet = 1\nwindow = 0\n[transport]\nmode = "post"\n')
    said = complaint(path, environ={"FANOUT_RATE": "5"})
    assert said.splitlines() == [
        "unknown variable FANOUT_RATE; did you mean FANOUT_PACING_RATE?",
        f"{path}:5: transport.mode = \"post\": should be 'auto', 'inline' or 's3'",
        f"{path}:3: pacing.window = 0: should be at least 1",
        f"{path}:2: unknown key 'pacing.raet'; did you mean 'rate'?",
    ]


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("pacing", "rate", 0),
        ("pacing", "rate", -1),
        ("pacing", "rate", float("inf")),
        ("pacing", "rate", float("nan")),
        ("pacing", "rate", "fast"),
        ("pacing", "rate", []),
        ("pacing", "window", 0),
        ("pacing", "window", 1.5),
        ("pacing", "burst", -1),
        ("pacing", "bytes_per_s", 0),
        ("transport", "mode", "post"),
        ("transport", "mode", "INLINE"),
        ("transport", "inline_max_bytes", -1),
        ("transport", "inline_max_bytes", 128_001),
        ("transport", "concurrency", 0),
        ("transport", "encryption", "aes256"),
        ("transport", "request_payer", "owner"),
        ("transport", "input_tags", {"": "v"}),
        ("transport", "input_tags", {"aws:mine": "v"}),
        ("transport", "input_tags", {"k": "a&b"}),
        ("transport", "input_tags", {"k": "v" * 257}),
        ("transport", "input_tags", {f"k{number}": "v" for number in range(11)}),
        ("collect", "redrive", True),
        ("transport", "input_prefix", "bucket/prefix"),
        ("transport", "input_prefix", "s3://"),
        ("transport", "input_prefix", "https://bucket/prefix"),
        ("transport", "input_prefix", "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/point/prefix"),
        ("collect", "queue_url", "arn:aws:sqs:eu-west-1:123456789012:results"),
        ("endpoint", "name", ""),
        ("endpoint", "name", "-e"),
        ("endpoint", "name", "e_e"),
        ("endpoint", "name", "e" * 64),
        ("endpoint", "name", "e/../f"),
        ("endpoint", "name", "é"),
        ("endpoint", "name", "e\n"),
        ("endpoint", "bucket_owner", "12345678901"),
        ("payload", "ttl_s", 59),
        ("payload", "ttl_s", 21_601),
        ("payload", "invocation_timeout_s", 0),
        ("payload", "invocation_timeout_s", 3_601),
        ("payload", "content_type", "a" * 1_025),
        ("payload", "fields", "a"),
        ("input", "paths", "rows.jsonl"),
        ("input", "limit", 0),
        ("input", "format", "csv"),
        ("collect", "poll_s", 20.1),
        ("collect", "notifications", "maybe"),
        ("collect", "unknown", "ignore"),
        ("retry", "patterns", ["("]),
        ("run", "max_failures", -1),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_value_that_does_not_fit_names_its_key(section, key, value):
    said = complaint(flags={section: {key: value}})
    assert said.startswith(f"{section}.{key}")
    assert not re.search("Value error|Input|String|instance of|parse|valid", said), (
        "they are pydantic's words"
    )
    assert len(said) < 400


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("payload", "ttl_s", 60),
        ("payload", "ttl_s", 21_600),
        ("payload", "invocation_timeout_s", 1),
        ("payload", "invocation_timeout_s", 3_600),
        ("transport", "inline_max_bytes", 0),
        ("transport", "inline_max_bytes", 128_000),
        ("transport", "encryption", "AES256"),
        ("transport", "input_tags", {"cost:center": "a b", "leer": ""}),
        ("transport", "request_payer", "requester"),
        ("collect", "redrive", "accept"),
        ("transport", "input_prefix", "s3://bucket"),
        ("transport", "input_prefix", "s3://bucket/a/b/"),
        ("transport", "input_prefix", "s3://point-abc123-s3alias/a"),
        ("collect", "queue_url", "http://localhost:4566/000000000000/results"),
        ("endpoint", "name", "e"),
        ("endpoint", "name", "My-Endpoint-1"),
        ("endpoint", "name", "e" * 63),
        ("collect", "poll_s", 20.0),
        ("run", "max_failures", 0),
    ],
)
def test_a_value_at_its_limit_fits(section, key, value):
    assert getattr(getattr(load(flags={section: {key: value}}), section), key) == value


@pytest.mark.parametrize(
    "text", ["rate = true", 'rate = "fast"', "rate = []", "window = 2.5", "window = true"]
)
def test_a_value_of_another_type_in_the_file_is_an_error(toml, text):
    assert f":2: pacing.{text}: should be a " in complaint(toml(f"[pacing]\n{text}\n"))


@pytest.mark.parametrize("text", ["pacing = 5\n", 'pacing = "fast"\n', "pacing = [1]\n"])
def test_a_section_that_is_no_table_is_an_error(toml, text):
    path = toml(text)
    assert complaint(path).startswith(f"{path}:1: {text.strip()}: should be a table")
    assert "pacing" in complaint(path, flags={"pacing": {"rate": None}})


@pytest.mark.parametrize(
    "ways",
    [
        {"column": "c", "fields": ["a"]},
        {"column": "c", "template": {"x": 1}},
        {"fields": ["a"], "template": {"x": 1}},
        {"column": "c", "fields": ["a"], "template": {"x": 1}},
    ],
    ids="+".join,
)
def test_the_ways_to_a_payload_exclude_each_other(ways):
    assert complaint(flags={"payload": ways}) == "payload: column, fields and template exclude each other"


@pytest.mark.parametrize(
    "way",
    [{}, {"column": "c"}, {"fields": ["a", "b"]}, {"template": {"x": "{a}"}}, {"column": "c", "fields": []}],
)
def test_one_way_to_a_payload_is_fine(way):
    payload = load(flags={"payload": way}).payload
    assert payload.column == way.get("column")
    assert payload.fields == tuple(way.get("fields", ()))
    assert payload.template == way.get("template")


def test_a_column_is_kept_once():
    assert load(flags={"columns": {"keep": ["b", "a", "b"]}}).columns.keep == ("b", "a")


# The file


@pytest.mark.parametrize(
    "text",
    ["[pacing", "rate == 1", "a = 1\na = 2\n", "[pacing]\nrate = \n", b"\xff\xfe[\x00", b"a = '\xe9'"],
    ids=ascii,
)
def test_a_file_that_is_not_toml_is_named(toml, text):
    path = toml(text)
    assert complaint(path).startswith(f"{path}: is not TOML")


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "absent.toml"
    assert (
        complaint(path) == f"{path}: cannot be read (No such file or directory); check the path given with -c"
    )


def test_a_directory_is_no_file(tmp_path):
    assert complaint(tmp_path).startswith(f"{tmp_path}: cannot be read (Is a directory)")


def test_a_refused_read_is_told_with_its_reason(toml, monkeypatch):
    def refuse(self, **how):
        raise PermissionError(13, "Permission denied")

    path = toml("")
    monkeypatch.setattr(Path, "read_text", refuse)
    assert complaint(path).startswith(f"{path}: cannot be read (Permission denied)")


def test_paths_in_a_file_are_relative_to_it(toml, tmp_path, monkeypatch):
    path = toml(
        '[input]\npaths = ["rows.jsonl", "data/", "../up/*.parquet"]\n'
        '[output]\npath = "out/out.parquet"\n'
        '[run]\ndir = "run"\n'
    )
    monkeypatch.chdir("/")
    config = load(path)
    assert [os.path.normpath(each) for each in config.input.paths] == [
        str(tmp_path / "rows.jsonl"),
        str(tmp_path / "data"),
        str(tmp_path.parent / "up/*.parquet"),
    ]
    assert config.input.paths[1].endswith("/")
    assert config.output.path == str(tmp_path / "out/out.parquet")
    assert config.run.dir == str(tmp_path / "run")


def test_an_output_that_ends_in_a_slash_still_does(toml):
    assert load(toml('[output]\npath = "parts/"\n')).output.path.endswith("/parts/")


@pytest.mark.parametrize("place", ["/data/rows.jsonl", "s3://bucket/rows.jsonl", "s3://bucket/dir/", "-"])
def test_absolute_places_stay_as_they_are(toml, place):
    assert load(toml(f'[input]\npaths = ["{place}"]\n')).input.paths == (place,)


def test_paths_of_flags_and_environment_are_relative_to_where_one_stands(toml):
    path = toml('[output]\npath = "a.parquet"\n')
    assert load(path, flags={"output": {"path": "b.parquet"}}).output.path == "b.parquet"
    assert load(path, environ={"FANOUT_OUTPUT_PATH": "c.parquet"}).output.path == "c.parquet"
    assert load(path, environ={"FANOUT_INPUT_PATHS": "d.jsonl"}).input.paths == ("d.jsonl",)


def test_an_empty_file_says_nothing(toml):
    assert load(toml("")) == Config()


def test_a_part_is_written_before_its_messages_come_again(toml):
    assert load(toml("[output]\npart_s = 120\n")).output.part_s == 120
    with pytest.raises(
        UsageError, match=r":2: output\.part_s = 121: should be at most 120: messages .* again after 300 s"
    ):
        load(toml("[output]\npart_s = 121\n"))
    assert float(ATTRIBUTES["VisibilityTimeout"]) == 300, "as the error says"
    assert float(ATTRIBUTES["VisibilityTimeout"]) > 2 * PART_S_MAX


# A run that is resumed


def test_what_is_said_now_overrides_what_the_run_began_with(toml):
    base = load(toml('[pacing]\nrate = 1\nwindow = 5\n[columns]\nkeep = ["a"]\n'))
    config = load_config(None, environ={}, flags={"pacing": {"rate": 9}}, base=base)
    assert (config.pacing.rate, config.pacing.window, config.columns.keep) == (9, 5, ("a",))
    assert load_config(None, environ={}, flags={}, base=base) == base


# Prefixes


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("s3://bucket", Location("bucket", "")),
        ("s3://bucket/", Location("bucket", "")),
        ("s3://bucket/a/b", Location("bucket", "a/b")),
        ("s3://bucket/a/b/", Location("bucket", "a/b")),
        ("s3://", None),
        ("s3:///a", None),
        ("bucket/a", None),
        ("https://bucket/a", None),
        ("", None),
    ],
)
def test_a_prefix_is_a_bucket_and_a_path(uri, location):
    assert parse_prefix(uri) == location


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"encryption": "AES256", "kms_key_id": "k"},
            "kms_key_id is of KMS and does not go with encryption AES256",
        ),
        (
            {"encryption": "AES256", "bucket_key": True},
            "bucket_key is of KMS and does not go with encryption AES256",
        ),
        ({"bucket_key": True}, 'bucket_key needs encryption = "aws:kms", or a kms_key_id'),
    ],
)
def test_keys_of_kms_go_with_kms(given, said):
    assert complaint(flags={"transport": given}) == f"transport: {said}"


@pytest.mark.parametrize(
    "given", [{"encryption": "aws:kms", "bucket_key": False}, {"kms_key_id": "k", "bucket_key": True}]
)
def test_a_bucket_key_is_derived_from_a_key(given):
    assert load(flags={"transport": given}).transport.bucket_key == given["bucket_key"]


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    """Of what all sources say together, and where a person said it."""
    file = tmp_path / "job.toml"
    file.write_text('[pacing]\nrate = "fast"\n[output]\n')
    seen = []

    def also(values, origins):
        seen.append((values["pacing"], values["run"]))
        return [f"no output{origins.hint(('output', 'path'))}"]

    with pytest.raises(UsageError) as caught:
        load_config(file, environ={"FANOUT_NO_SUCH": "1"}, flags={"run": {"grace_s": 1}}, also=also)
    assert seen == [({"rate": "fast"}, {"grace_s": 1})]
    mistakes = str(caught.value).splitlines()
    assert mistakes[0].startswith("unknown variable FANOUT_NO_SUCH")
    assert mistakes[-2:] == [
        f'{file}:2: pacing.rate = "fast": should be a number',
        f"no output (or `path` in [output], {file}:3)",
    ]
    with pytest.raises(UsageError, match=r"^no output$"):
        load_config(also=lambda _values, _origins: ["no output"])


BARE = '"g5": {{"xlarge": 1.41}}'
QUOTED = 'write the type in quotes: "ml.g5.xlarge" = 1.41'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"ml.g5.xlarge" = -1', "{}:2: prices.instances.ml.g5.xlarge = -1: should be at least 0"),
        ('"ml.g5.xlarge" = "x"', '{}:2: prices.instances.ml.g5.xlarge = "x": should be a number'),
        (
            "ml.g5.xlarge = 1.41",
            f"{{}}: prices.instances.ml = {{{{{BARE}}}}}: should be a number; {QUOTED}",
        ),
    ],
)
def test_a_price_of_an_instance_is_named_by_its_type(tmp_path, text, said):
    file = tmp_path / "job.toml"
    file.write_text(f"[prices.instances]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        load_config(file)
    assert str(caught.value) == said.format(file)
    file.write_text('[prices.instances]\n"ml.g5.xlarge" = 1.41\n')
    assert load_config(file).prices.instances == {"ml.g5.xlarge": 1.41}
    with pytest.raises(UsageError, match=r"FANOUT_PRICES_INSTANCES .* should be a table"):
        load_config(environ={"FANOUT_PRICES_INSTANCES": "ml.g5.xlarge=1"})


# Fields of responses


def fields(lines, *, keep=""):
    return f"[columns]\nkeep = [{keep}]\n[output.fields]\n{lines}"


def test_a_field_of_responses_is_a_path_or_a_table_of_it(toml):
    config = load(
        toml(fields('answer = "$[0].text"\nscore = { path = "$.s", type = "double", optional = true }\n'))
    )
    found = {name: (field.path, field.type, field.optional) for name, field in config.output.fields.items()}
    assert found == {"answer": ("$[0].text", "string", False), "score": ("$.s", "double", True)}
    assert Config.model_validate(config.model_dump(mode="json", exclude_defaults=True)) == config, "run.json"


def test_what_is_wrong_with_fields_is_told_with_its_line(toml):
    path = toml(
        fields(
            'answer = "$[0"\n'
            'all = { path = "$..score", type = "flot64" }\n'
            'STATUS = "$.a"\n'
            'nowhere = { type = "int8" }\n'
            'odd = { pth = "$.a", path = "$.a" }\n'
        )
    )
    said = complaint(path).removeprefix("").split(f"{path}:")[1:]
    assert [text.rstrip("\n") for text in said] == [
        (
            "4: output.fields.answer.path: is not a JSON path (RFC 9535); write one such as $.answer, or "
            "$[0]['generated text']"
        ),
        (
            "5: output.fields.all.path: names any number of values: a column takes one, by names and numbers alone, as "
            "$.choices[0].text"
        ),
        "5: output.fields.all.type: 'flot64' is not a type of a field; did you mean 'float64'?",
        "6: output.fields.STATUS: is the name of a column that every output has, status: choose another",
        "7: output.fields.nowhere.path: is missing: set it",
        "8: unknown key 'output.fields.odd.pth'; did you mean 'path'?",
    ]


@pytest.mark.parametrize(
    ("lines", "keep", "said"),
    [
        (
            'lang = "$.l"\n',
            '"x", "Lang"',
            "4: output.fields.lang: is the column 'Lang' that columns.keep copies",
        ),
        ('"m.l" = "$.l"\n', '"m.l?"', "4: output.fields.m.l: is the column 'm.l?' that columns.keep copies"),
        ('a = "$.l"\nA = "$.x"\n', "", "5: output.fields.A: 'a' and 'A' differ in case alone"),
    ],
)
def test_a_field_has_a_name_of_its_own(toml, lines, keep, said):
    path = toml(fields(lines, keep=keep))
    assert complaint(path).startswith(f"{path}:{said}")


@pytest.mark.parametrize("mode", ["640", "0640", "0666"])
def test_permissions_are_said_as_chmod_takes_them(toml, mode):
    assert load(toml(f'[output]\nmode = "{mode}"\n')).output.permissions == int(mode, 8)


@pytest.mark.parametrize("mode", ["640", '"rw-r-----"', '"0400"', '"0755"', '"1640"'])
def test_permissions_that_are_none_are_refused(toml, mode):
    path = toml(f"[output]\nmode = {mode}\n")
    assert complaint(path).startswith(f"{path}:2: output.mode = {mode}: should be the permissions of a file")


ODD = [None, True, -1, 0, 1.5, 10**30, float("nan"), "x", "", "x" * 5_000, b"\xff", [], ["a", 1], [[]], {}, {"a": 1},
       {"": 2}, {1: 2}, {"?": "?"}]  # fmt: skip


@pytest.mark.parametrize("section", Config.model_fields)
def test_no_sentence_is_pydantic_s_own(section):
    """Whatever a key is set to, what is said of it stands in `config/errors.py` or in the model."""
    keys = Config.model_fields[section].annotation.model_fields
    for values in ({section: 1}, *({section: {key: value}} for key in keys for value in ODD)):
        try:
            Config.model_validate(values)
        except ValidationError as error:
            for details in error.errors():
                known = {*errors._SENTENCES, "value_error", "extra_forbidden", "string_pattern_mismatch"}
                assert details["type"] in known, (values, details)
                if details["type"] == "string_pattern_mismatch":
                    assert details["ctx"]["pattern"] in errors._PATTERNS, (values, details)
