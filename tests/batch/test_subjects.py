"""Who a folder or a CSV names."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitme.batch.subjects import RESERVED, directory_name, find_subjects
from fitme.runtime.errors import InputError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


class TestFolder:
    def test_subfolders_and_single_photos(self, tmp_path: Path) -> None:
        touch(tmp_path, "anna/b.JPG", "anna/a.png", "anna/notes.txt", "bob.jpeg", "list.txt",
              ".hidden.jpg", "anna/.b.jpg")  # fmt: skip
        (tmp_path / "empty").mkdir()
        found, notes = find_subjects(tmp_path)
        assert {s.name: [p.name for p in s.photos] for s in found} == {
            "anna": ["a.png", "b.JPG"],
            "bob": ["bob.jpeg"],
            "empty": [],
        }
        assert len(notes) == 1 and "list.txt" in notes[0]

    def test_the_output_inside_is_nobody(self, tmp_path: Path) -> None:
        touch(tmp_path, "bob.jpg", "out/index.html")
        found, _ = find_subjects(tmp_path, leave_out=tmp_path / "out")
        assert [s.name for s in found] == ["bob"]

    @pytest.mark.parametrize("names", [["a.jpg", "a.png"], ["a.jpg", "a/1.jpg"], ["A.jpg", "a.png"],
                                       ["a?.jpg", "a*.jpg"]])  # fmt: skip
    def test_duplicates(self, names: list[str], tmp_path: Path) -> None:
        refuse(touch(tmp_path, *names), "duplicate subject name")

    def test_nothing_there(self, tmp_path: Path) -> None:
        refuse(tmp_path, "holds no photo")
        refuse(touch(tmp_path, "notes.txt"), "holds no photo")
        refuse(tmp_path / "none", "does not exist")
        refuse(tmp_path / "notes.txt", "neither a folder nor a .csv")


class TestCsv:
    def write(self, folder: Path, text: str | bytes) -> Path:
        path = folder / "list.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def test_rows(self, tmp_path: Path) -> None:
        text = '\ufeffage,Subject,photo\n3,anna,a/1.jpg\n\n4,"b, c",/x/2.jpg\n3,anna,a/3.jpg\n'
        found, notes = find_subjects(self.write(tmp_path, text))
        assert [(s.name, s.directory) for s in found] == [("anna", "anna"), ("b, c", "b_ c")]
        assert found[0].photos == (tmp_path / "a/1.jpg", tmp_path / "a/3.jpg")
        assert found[1].photos == (Path("/x/2.jpg"),) and not notes

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "no header"),
            ("subject,photo\n", "lists nobody"),
            ("name,photo\na,b.jpg\n", "no header"),
            ("subject;photo\na;b.jpg\n", "no header"),
            ("subject,photo\na\n", "line 2: 1 columns"),
            ("subject,photo\na,b.jpg,c\n", "line 2: 3 columns"),
            ("subject,photo\na,\n", "line 2: subject or photo is empty"),
            ("subject,photo\n,b.jpg\n", "line 2: subject or photo is empty"),
            ('subject,photo\n"a,b.jpg\n', "malformed CSV"),
            ("subject,photo\n../x,b.jpg\n", "cannot name a directory"),
            ("subject,photo\n..,b.jpg\n", "cannot name a directory"),
            ("subject,photo\na\\b,b.jpg\n", "cannot name a directory"),
            ("subject,photo\na,b.jpg\na,b.jpg\n", "line 3: b.jpg is given twice"),
            ("subject,photo\na:,b.jpg\na?,c.jpg\n", "duplicate subject name"),
            (b"subject,photo\n\xff\xfe,b.jpg\n", "not UTF-8"),
            (b"subject,photo\na,\0.jpg\n", "not a list of photos"),
        ],
    )
    def test_refusals(self, text: str | bytes, words: str, tmp_path: Path) -> None:
        path = self.write(tmp_path, text)
        assert str(path) in refuse(path, words)


class TestDirectoryName:
    @pytest.mark.parametrize(
        ("name", "wanted"),
        [
            ("anna", "anna"),
            ("Ана Б.", "Ана Б"),
            ("a/b\\c:d\n", "a_b_c_d_"),
            ("..", "_"),
            ("-rf", "_-rf"),
            ("con", "con_"),
            ("index.html", "index.html_"),
        ],
    )
    def test_examples(self, name: str, wanted: str) -> None:
        assert directory_name(name) == wanted

    def test_long_names_stay_apart(self) -> None:
        one, other = directory_name("ä" * 300 + "1"), directory_name("ä" * 300 + "2")
        assert one != other and max(len(one.encode()), len(other.encode())) <= 100

    def test_reserved(self) -> None:
        assert not {directory_name(name) for name in RESERVED} & RESERVED


def refuse(source: Path, words: str) -> str:
    with pytest.raises(InputError) as caught:
        find_subjects(source)
    message = str(caught.value)
    assert words in message and "\n" not in message
    return message
