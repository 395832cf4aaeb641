"""Configurations: a misspelt key is an error that names it, and where it stands."""

from typing import Literal

import pytest
from pydantic import Field

from radlas.config import Config
from radlas.errors import ConfigError
from radlas.yaml_text import read_yaml


class Within(Config):
    depth: float = Field(default=1.0, gt=0, description="Of the sample [mm].")


class Sample(Config):
    width: float = Field(gt=0)
    name: str = Field(default="x", pattern="^[a-z]+$", description="Small letters.")
    sides: tuple[int, ...] = ()
    within: Within | None = None
    edges: tuple[float, float, float] = Field(default=(1, 1, 1), description="Along x, y, z [mm].")
    mode: Literal["a", "b"] | Literal["auto"] = "auto"
    pairs: tuple[int, int] | tuple[int, int, int] = (1, 1)


def test_a_misspelt_key_is_named_with_the_file_and_the_known_keys(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("widht: 3\n")
    with pytest.raises(ConfigError) as caught:
        Sample.read(path)
    assert str(caught.value) == (
        f"missing key `width`; unknown key `widht`\n  in: {path}\n"
        "  try: `width` for `widht`; known keys: width, name, sides, within, edges, mode, pairs"
    )


def test_a_misspelt_key_within_is_held_against_the_keys_that_stand_there():
    with pytest.raises(ConfigError, match=r"unknown key `within.dept`") as caught:
        Sample.parse({"width": 1, "within": {"dept": 2}})
    assert caught.value.hint == "`depth` for `dept`; known keys: depth"


def test_a_wrong_value_is_followed_by_what_its_key_means():
    with pytest.raises(ConfigError) as caught:
        Sample.parse({"width": 1, "within": {"depth": -2}})
    assert caught.value.hint == "`depth`: Of the sample [mm]."


def test_a_form_is_told_in_words_and_not_as_a_pattern():
    with pytest.raises(ConfigError) as caught:
        Sample.parse({"width": 1, "name": "Ü"})
    assert caught.value.what == "`name`: not of the form that it must have (got 'Ü')"
    assert caught.value.hint == "`name`: Small letters."


def test_a_wrong_value_is_shown_as_it_was_given():
    with pytest.raises(ConfigError, match=r"`width`: Input should be greater than 0 \(got -1\)"):
        Sample.parse({"width": -1})


def test_what_should_be_a_list_is_not_told_to_be_a_tuple():
    """Nobody writes one in YAML or on a command line."""
    with pytest.raises(ConfigError, match=r"^`sides`: not a list, as \[a, b\] \(got 3\)"):
        Sample.parse({"width": 1, "sides": 3})


def test_a_wrong_value_of_a_list_is_known_by_itself():
    """Who repeated an option on the command line numbered nothing."""
    with pytest.raises(ConfigError, match=r"^`sides`: Input should be .* \(got 'x'\)"):
        Sample.parse({"width": 1, "sides": [1, "x"]})


def test_a_list_that_is_too_short_is_no_missing_key():
    with pytest.raises(ConfigError) as caught:
        Sample.parse({"width": 1, "edges": [1, 2]})
    assert caught.value.what == "`edges`: too few values"
    assert caught.value.hint == "`edges`: Along x, y, z [mm]."


def test_of_what_may_be_of_two_kinds_the_key_is_named_and_not_the_kind():
    """A person wrote no `kernels.tuple[literal['L3','E3'...`."""
    with pytest.raises(ConfigError) as caught:
        Sample.parse({"width": 1, "mode": "3d"})
    told = "`mode`: Input should be 'a' or 'b' (got '3d'); `mode`: Input should be 'auto'"
    assert caught.value.what == f"{told} (got '3d')"
    with pytest.raises(ConfigError) as caught:
        Sample.parse({"width": 1, "pairs": "x"})
    assert caught.value.what == "`pairs`: not a list, as [a, b] (got 'x')"


def test_what_is_no_yaml_is_told_by_line_and_column_and_quotes_nothing(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("# A page\nas it is: written: badly\n")
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    told = "not readable as YAML: line 2, column 18: mapping values are not allowed here"
    assert caught.value.what == told


@pytest.mark.parametrize("text", ["a: [1\n", "- 1\n", ""])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path, text):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="not") as caught:
        read_yaml(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("seed: 1\nname: x\nseed: 2\n", "line 3, column 1", "seed"),
        ("a:\n  - {b: 1, c: 2, b: 3}\n", "line 2, column 18", "b"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n  b: 2\n  b: 3\n", "line 5, column 3", "b"),
    ],
)
def test_a_key_that_stands_twice_is_no_choice_of_the_last(tmp_path, text, line, key):
    """YAML takes the last in silence, and a study would lose a setting that its page shows."""
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert caught.value.what == f"{line}: `{key}` stands there a second time"
    assert caught.value.hint == "keep the one that is meant"


@pytest.mark.parametrize("content", [b"\xff\xfea\x00:\x00", b"a: \x00\n", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_text_is_told_as_that(tmp_path, content):
    path = tmp_path / "job.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^no text, or none in UTF-8"):
        read_yaml(path)


def test_a_folder_is_told_as_that(tmp_path):
    with pytest.raises(ConfigError, match="a folder, and no file"):
        read_yaml(tmp_path)


def test_a_mark_of_the_byte_order_is_no_part_of_the_first_key(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_bytes(b"\xef\xbb\xbfwidth: 3\n")
    assert read_yaml(path) == {"width": 3}


LAUGHS = "k0: &k0 x\n" + "".join(
    f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LAUGHS, "aliases repeat what they lie in, or too much"),
        ("name: &x [*x]", "aliases repeat what they lie in"),
        ("name: " + "[" * 5_000, "nested too deep"),
    ],
)
def test_a_yaml_that_grows_as_it_is_read_is_refused(tmp_path, text, told):
    """Half a kilobyte took all memory to be told what was wrong with it."""
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told):
        Sample.read(path)


@pytest.mark.parametrize(
    "value",
    [
        "2024-13-45",
        "2024-01-31 25:00:00",
        "0x_",
        "0x" + "f" * 8_000,
        "1" * 5_000,
        "!!float high",
        "!!bool perhaps",
        "!!timestamp never",
        r'"\uD800"',
        r'"\U00110000"',
    ],
)
def test_a_value_that_is_none_is_told_by_its_place(tmp_path, value):
    """YAML takes it for a date or a number, and Python knows no such one: a defect, at best."""
    path = tmp_path / "job.yaml"
    path.write_text(f"depth: 1\nname: [{value}]\n")
    with pytest.raises(ConfigError, match=r"line 2, column \d+: (no such number|an escape)"):
        read_yaml(path)


def test_aliases_repeat_what_is_named(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("a: &a {depth: 2}\nb:\n  <<: *a\n  c: [*a, *a]\n")
    assert read_yaml(path)["b"] == {"depth": 2, "c": [{"depth": 2}] * 2}


def test_the_digest_depends_on_values_and_not_on_their_order():
    one, other = Sample.parse({"width": 1, "name": "y"}), Sample.parse({"name": "y", "width": 1.0})
    assert one.digest() == other.digest() != Sample.parse({"width": 2, "name": "y"}).digest()


def test_the_command_line_wins_over_the_file(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("width: 3\n")
    assert Sample.read(path, {"width": 5}).width == 5
