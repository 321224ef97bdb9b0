import os

import pytest
from helpers.errors import refused

from clsim.data.io.sources import ListedFiles, open_source
from clsim.utils.errors import DataWarning


def test_folder_lists_images_only_sorted_without_hidden_ones(tmp_path, save):
    for name in ("b/2.png", "b/1.PNG", "a/deep/x.png", ".hidden/x.png", "a/.x.png"):
        save(tmp_path / name)
    (tmp_path / "a" / "notes.txt").touch()
    assert list(open_source(tmp_path).stamps) == ["a/deep/x.png", "b/1.PNG", "b/2.png"]


def test_a_changed_file_changes_its_stamp_only(tmp_path, save):
    save(tmp_path / "a.png"), save(tmp_path / "b.png")
    before = open_source(tmp_path).stamps
    save(tmp_path / "b.png", size=(99, 99))
    after = open_source(tmp_path).stamps
    assert before["a.png"] == after["a.png"] and before["b.png"] != after["b.png"]


def test_linked_folders_are_followed_but_not_in_a_circle(tmp_path, save):
    save(tmp_path / "store" / "cat" / "1.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "cat").symlink_to(tmp_path / "store" / "cat")
    (tmp_path / "set" / "up").symlink_to(tmp_path / "set")
    assert list(open_source(tmp_path / "set").stamps) == ["cat/1.png"]


def test_a_pipe_is_no_image_and_a_link_to_nowhere_is_listed(tmp_path, save):
    save(tmp_path / "cat" / "1.png")
    os.mkfifo(tmp_path / "cat" / "2.png")
    (tmp_path / "cat" / "3.png").symlink_to(tmp_path / "cat" / "2.png")
    (tmp_path / "cat" / "4.png").symlink_to(tmp_path / "nowhere")
    assert list(open_source(tmp_path).stamps) == ["cat/1.png", "cat/4.png"]


def test_nothing_to_find_is_a_user_error(tmp_path):
    with refused(where=str(tmp_path), names=("no images",)):
        open_source(tmp_path)
    with refused(where="nowhere", names=("no such",)):
        open_source(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with refused(where="notes.txt", names=(".tar",)):
        open_source(tmp_path / "notes.txt")


def test_listed_files_are_those_that_are_there(tmp_path, save):
    for name in ("a.png", "b.png", "deeper/c.png"):
        save(tmp_path / name)
    source = ListedFiles(tmp_path, ["deeper/c.png", "a.png", "z.png", "deeper", "long" * 100, "\0"])
    everything = open_source(tmp_path).stamps
    assert source.stamps == {name: everything[name] for name in ("a.png", "deeper/c.png")}
    assert [file.position for file in source.read(["deeper/c.png", "a.png"])] == [0, 1]


@pytest.mark.parametrize(
    "name",
    ["__MACOSX", ".ipynb_checkpoints", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information", ".git"],
)
def test_folders_of_a_system_are_no_classes(name, tmp_path, save):
    for place in (name, "cat", f"cat/{name}"):
        save(tmp_path / place / "1.png")
    (tmp_path / "cat" / "Thumbs.db").touch()
    (tmp_path / "cat" / ".DS_Store").touch()
    source = open_source(tmp_path)
    assert list(source.stamps) == ["cat/1.png"]
    assert source.left_out == {}


def test_files_that_are_left_out_are_counted_by_suffix(tmp_path, save):
    save(tmp_path / "cat" / "1.png")
    for name in ("2.heic", "3.HEIC", "4", "5.tar.gz"):
        (tmp_path / "cat" / name).touch()
    source = open_source(tmp_path)
    assert source.left_out == {".heic": 2, "no suffix": 1, ".gz": 1}
    with pytest.warns(DataWarning, match=r"4 files .*\.gz \(1\), \.heic \(2\), no suffix \(1\).*cat/2\.heic"):
        source.warn_about_left_out()


@pytest.mark.parametrize("suffix", ["jpe", "JFIF", "jpeg", "pgm", "pbm", "pnm", "tif", "gif", "webp", "apng"])
def test_every_suffix_of_a_format_that_is_read_is_one_of_an_image(suffix, tmp_path):
    (tmp_path / f"1.{suffix}").touch()
    assert list(open_source(tmp_path).stamps) == [f"1.{suffix}"]


def test_two_folders_that_link_to_each_other_are_refused(tmp_path, save):
    save(tmp_path / "cat" / "1.png"), save(tmp_path / "dog" / "1.png")
    (tmp_path / "cat" / "x").symlink_to("../dog")
    (tmp_path / "dog" / "y").symlink_to("../cat")
    with refused(where=str(tmp_path / "dog" / "y"), names=("circular",)) as raised:
        open_source(tmp_path)
    assert len(str(raised.value).splitlines()) == 2  # the second says what to do


@pytest.mark.parametrize(("link", "target"), [("kitten", "cat"), ("cat/deep", "../dog"), ("a", "dog")])
def test_a_folder_under_two_names_is_refused(link, target, tmp_path, save):
    save(tmp_path / "cat" / "1.png"), save(tmp_path / "dog" / "1.png")
    (tmp_path / link).symlink_to(target)
    with refused(where=str(tmp_path / link), names=("another folder",)):
        open_source(tmp_path)


def test_a_link_to_itself_is_the_users_error(tmp_path, save):
    save(tmp_path / "cat" / "1.png")
    (tmp_path / "loop").symlink_to("loop")
    with refused(where=str(tmp_path / "loop")):
        open_source(tmp_path)


def test_listed_names_may_be_in_another_form_of_unicode(tmp_path, save):
    apart, together = "caf\u0065\u0301.png", "caf\u00e9.png"
    path = save(tmp_path / apart, 7)
    source = ListedFiles(tmp_path, [together])
    assert [file.content for file in source.read([together])] == [str(path)]
    assert source.fingerprint([together], []) == source.fingerprint([together], [])


def test_folders_without_an_image_warn(tmp_path, save):
    save(tmp_path / "cat" / "1.png")
    (tmp_path / "cow" / "deep").mkdir(parents=True)
    (tmp_path / "cat" / "none").mkdir()
    source = open_source(tmp_path)
    assert source.empty == ["cat/none/", "cow/"]
    with pytest.warns(DataWarning, match="without images .*: cat/none/, cow/"):
        source.warn_about_left_out()
