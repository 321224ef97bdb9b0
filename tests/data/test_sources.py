import io
import os
import tarfile
import zipfile

import pytest

from clsim.data import sources
from clsim.data.sources import Listed, open_source
from clsim.errors import UserError


def tar_of(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


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


@pytest.mark.parametrize("kind", ["pets.tar", "pets.tar.xz", "pets.tgz", "pets.zip"])
def test_archives_are_read_like_the_folder(kind, tmp_path, pets):
    path = tmp_path / kind
    if kind.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as zipped:
            for file in pets.rglob("*.png"):
                zipped.write(file, file.relative_to(tmp_path))
    else:
        with tarfile.open(path, {"pets.tar": "w", "pets.tar.xz": "w:xz", "pets.tgz": "w:gz"}[kind]) as tar:
            tar.add(pets, "./pets")
    archive, folder = open_source(path), open_source(pets)
    assert list(archive.stamps) == [f"pets/{file}" for file in folder.stamps]
    chosen = list(archive.stamps)[::-2]
    content = {encoded.position: encoded.content for encoded in archive.read(chosen)}
    assert content == {i: (tmp_path / file).read_bytes() for i, file in enumerate(chosen)}


def test_the_list_of_members_is_kept(tmp_path, monkeypatch):
    path = tar_of(tmp_path / "a.tar.gz", {"cat/1.png": b"x"})
    open_source(path, [tmp_path / "cache"])
    monkeypatch.setattr(tarfile, "open", None)
    assert list(open_source(path, [tmp_path / "cache"]).stamps) == ["cat/1.png"]


@pytest.mark.parametrize("name", ["../evil.png", "cat/../../evil.png", "/etc/evil.png", "..\\evil.png"])
def test_a_path_that_leads_out_of_the_archive_is_refused(name, tmp_path):
    with pytest.raises(UserError, match="leads out"):
        open_source(tar_of(tmp_path / "a.tar", {name: b"x"}, "w"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(name, b"x")
    with pytest.raises(UserError, match="leads out"):
        open_source(tmp_path / "a.zip")


def test_links_in_an_archive_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        link = tarfile.TarInfo("cat/1.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(UserError, match="no images"):
        open_source(tmp_path / "a.tar")


def test_an_oversized_member_is_refused(tmp_path, monkeypatch):
    path = tar_of(tmp_path / "a.tar.gz", {"cat/1.png": b"0" * 1000})
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 999)
    with pytest.raises(UserError, match="too large"):
        open_source(path)
    monkeypatch.undo()
    monkeypatch.setattr(sources, "MAX_TOTAL_BYTES", 999)
    with pytest.raises(UserError, match="too large"):
        open_source(path)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.xz", "a.tar", "a.zip"])
def test_a_broken_archive_is_named(name, tmp_path):
    (tmp_path / name).write_bytes(b"no archive" * 100)
    with pytest.raises(UserError, match="cannot be read") as raised:
        open_source(tmp_path / name)
    assert raised.value.where == str(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_an_archive_cut_short_is_named(name, tmp_path):
    path = tmp_path / name
    noise = bytes(i * i % 251 for i in range(20_000))
    if name == "a.zip":
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("cat/1.png", noise)
    else:
        tar_of(path, {"cat/1.png": noise})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="cannot be read"):
        list(open_source(path).read(["cat/1.png"]))


def test_a_pipe_is_no_image_and_a_link_to_nowhere_is_listed(tmp_path, save):
    save(tmp_path / "cat" / "1.png")
    os.mkfifo(tmp_path / "cat" / "2.png")
    (tmp_path / "cat" / "3.png").symlink_to(tmp_path / "cat" / "2.png")
    (tmp_path / "cat" / "4.png").symlink_to(tmp_path / "nowhere")
    assert list(open_source(tmp_path).stamps) == ["cat/1.png", "cat/4.png"]


def test_nothing_to_find_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no images"):
        open_source(tmp_path)
    with pytest.raises(UserError, match="no such"):
        open_source(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="neither"):
        open_source(tmp_path / "notes.txt")


def test_listed_files_are_those_that_are_there(tmp_path, save):
    for name in ("a.png", "b.png", "deeper/c.png"):
        save(tmp_path / name)
    source = Listed(tmp_path, ["deeper/c.png", "a.png", "z.png", "deeper", "long" * 100, "\0"])
    everything = open_source(tmp_path).stamps
    assert source.stamps == {name: everything[name] for name in ("a.png", "deeper/c.png")}
    assert [file.position for file in source.read(["deeper/c.png", "a.png"])] == [0, 1]
