"""The pairs of a folder, by the names that people give their recordings."""

import unicodedata
from pathlib import Path

import pytest

from fxhost.errors import AudioError
from train.pairs.folder import find_pairs


def find_names(folder: Path, *names: str) -> list[tuple[str, str]]:
    for name in names:
        (folder / name).touch()
    return [(dry.name, wet.name) for dry, wet in find_pairs(folder)]


def test_the_pairs_of_a_folder_are_found_by_their_names(tmp_path: Path) -> None:
    names = ("b-dry.wav", "b-wet.flac", "a-dry.aiff", "a-wet.wav", "notes.txt", "other.wav")
    assert find_names(tmp_path, *names) == [("a-dry.aiff", "a-wet.wav"), ("b-dry.wav", "b-wet.flac")]


@pytest.mark.parametrize(("dry", "wet"), [
    ("Take1-Dry.wav", "Take1-Wet.WAV"), ("a-dry.wav", "A-wet.wav"), ("take_dry.wav", "take_wet.wav"),
    ("My take dry.wav", "My take wet.wav"), ("dry.wav", "Wet.wav"), ("a.DRY.flac", "a.wet.wav"),
    (unicodedata.normalize("NFD", "Tön-dry.wav"), unicodedata.normalize("NFC", "Tön-wet.wav")),
])  # fmt: skip
def test_case_separator_and_unicode_form_do_not_matter(tmp_path: Path, dry: str, wet: str) -> None:
    assert find_names(tmp_path, dry, wet) == [(dry, wet)]


def test_takes_whose_names_differ_in_case_alone_are_two(tmp_path: Path) -> None:
    names = ("a-dry.wav", "a-wet.wav", "A-dry.wav", "A-wet.wav")
    assert sorted(find_names(tmp_path, *names)) == [("A-dry.wav", "A-wet.wav"), ("a-dry.wav", "a-wet.wav")]


def test_what_begins_with_a_dot_and_what_is_a_folder_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "b-dry.wav").mkdir()
    names = ("a-dry.wav", "a-wet.wav", "._a-dry.wav", "._a-wet.wav", "._c-wet.wav")
    assert find_names(tmp_path, *names) == [("a-dry.wav", "a-wet.wav")]


def test_a_word_that_only_ends_like_a_side_is_none(tmp_path: Path) -> None:
    assert find_names(tmp_path, "a-dry.wav", "a-wet.wav", "laundry.wav") == [("a-dry.wav", "a-wet.wav")]


@pytest.mark.parametrize(("names", "message"), [
    (("b-dry.wav",), r"b-dry\.wav is alone: there is no b-wet beside it"),
    (("B_Wet.wav",), r"B_Wet\.wav is alone: there is no B_dry beside it"),
    (("a-dry.flac",), r"2 recordings of one dry side: a-dry\.flac and a-dry\.wav; move all but one away"),
])  # fmt: skip
def test_a_take_without_one_file_for_each_side_is_refused(tmp_path: Path, names: tuple[str], message: str) -> None:
    with pytest.raises(AudioError, match=message):
        find_names(tmp_path, "a-dry.wav", "a-wet.wav", *names)


def test_a_link_that_leads_nowhere_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "b-dry.wav").symlink_to("gone.wav")
    with pytest.raises(AudioError, match=r"b-dry\.wav is a link to gone\.wav, which is not there"):
        find_names(tmp_path, "b-wet.wav")


@pytest.mark.parametrize(
    ("names", "words"),
    [((), "it holds no files"), (("x.wav", "y.wav"), r"it holds 2 recordings, such as x\.wav, but none")],
)
def test_a_folder_without_pairs_is_refused(tmp_path: Path, names: tuple[str, ...], words: str) -> None:
    with pytest.raises(AudioError, match=f"has no pairs: {words}"):
        find_names(tmp_path, *names)
