"""Which recordings `run` finds, and what their results are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from amt_export.cli.inputs import Found, find_recordings, is_several, result_names
from amt_export.errors import AudioError

FILES = ("b.wav", "a.FLAC", "notes.txt", ".hidden.wav", "deep/er/c.ogg", "deep/a.mp3")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in FILES:
        path = tmp_path / "day" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return Path("day")


def below(inputs) -> list[str]:
    return [item.below.as_posix() for item in find_recordings(inputs)]


def test_a_folder_gives_all_recordings_below_it(folder):
    assert below(["day"]) == ["a.FLAC", "b.wav", "deep/a.mp3", "deep/er/c.ogg"]


def test_patterns_find_files_below_their_fixed_part(folder):
    assert below(["day/*.wav"]) == ["b.wav"]
    assert below(["day/**/*.mp3"]) == ["deep/a.mp3"]
    assert below(["*/deep/**/*.ogg"]) == ["day/deep/er/c.ogg"]


def test_files_are_taken_as_they_are_and_once(folder):
    assert below(["day/notes.txt", "gone.wav"]) == ["notes.txt", "gone.wav"]
    assert below(["day/b.wav", "day", "day/../day/b.wav"])[:2] == ["b.wav", "a.FLAC"]
    assert below(["day/b.wav", "day"]).count("b.wav") == 1


def test_a_file_whose_name_is_a_pattern_is_that_file(folder):
    (folder / "take[1].wav").touch()
    assert not is_several(["day/take[1].wav"])
    assert below(["day/take[1].wav"]) == ["take[1].wav"]


def test_nothing_found_is_an_error(folder):
    (folder / "empty").mkdir()
    for text in ("day/empty", "day/*.opus"):
        with pytest.raises(AudioError, match=r"has no recordings|no file matches this"):
            find_recordings(["day/b.wav", text])


def test_one_file_is_not_several(folder):
    assert not is_several(["day/b.wav"])
    assert not is_several(["gone.wav"])
    for inputs in (["day"], ["day/*"], ["a.wav", "b.wav"]):
        assert is_several(inputs)


def names(*paths: str) -> list[str]:
    found = [Found(Path(path), Path(path.removeprefix("x/"))) for path in paths]
    return [name.as_posix() for name in result_names(found)]


def test_results_are_called_like_their_recordings():
    assert names("x/a.wav", "x/sub/a.wav", "x/2024.06.01.wav") == ["a", "sub/a", "2024.06.01"]


def test_equal_names_keep_their_suffix():
    assert names("x/a.wav", "x/a.mp3", "x/b.wav") == ["a.wav", "a.mp3", "b"]
    assert names("x/A.wav", "x/a.wav2") == ["A.wav", "a.wav2"]


def test_a_name_that_is_taken_keeps_its_suffix():
    found = [Found(Path(name), Path(name)) for name in ("a.wav", "Summary.wav", "b/summary.wav")]
    names = [name.as_posix() for name in result_names(found, "summary")]
    assert names == ["a", "Summary.wav", "b/summary"]


def test_names_that_stay_equal_are_an_error():
    with pytest.raises(AudioError, match=r"x/a\.wav and a\.wav would have the same result a\.wav"):
        names("x/a.wav", "a.wav")
    with pytest.raises(AudioError, match=r"would have the same result"):
        names("x/a.wav", "x/A.WAV")
    with pytest.raises(AudioError, match=r"would have the same result a\.wav\.npz"):
        result_names([Found(Path(p), Path("a.wav")) for p in ("x/a.wav", "y/a.wav")], "", ".npz")
