import io
import tarfile
import zipfile

import pytest
from helpers.errors import refused

from clsim.data.datasets import folder
from clsim.data.io import archive
from clsim.data.io.sources import open_source
from clsim.utils.errors import DataWarning


def tar_of(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


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
    with refused(where=str(tmp_path), names=("outside",)):
        open_source(tar_of(tmp_path / "a.tar", {name: b"x"}, "w"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(name, b"x")
    with refused(where=str(tmp_path), names=("outside",)):
        open_source(tmp_path / "a.zip")


def test_links_in_an_archive_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        link = tarfile.TarInfo("cat/1.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with refused(where="a.tar", names=("no images",)):
        open_source(tmp_path / "a.tar")


def test_an_oversized_member_is_refused(tmp_path, monkeypatch):
    path = tar_of(tmp_path / "a.tar.gz", {"cat/1.png": b"0" * 1000})
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 999)
    with refused(where=str(path), names=("cat/1.png", "1,000 bytes")):
        open_source(path)
    monkeypatch.undo()
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 999)
    with refused(where=str(path), names=("cat/1.png", "1,000 bytes")):
        open_source(path)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.xz", "a.tar", "a.zip"])
def test_a_broken_archive_is_named(name, tmp_path):
    (tmp_path / name).write_bytes(b"no archive" * 100)
    with refused(where=str(tmp_path / name)):
        open_source(tmp_path / name)


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
    with refused(where=str(path)):
        list(open_source(path).read(["cat/1.png"]))


def zip_of(path, names, *, flag=None, content=b"x"):
    """Write a .zip whose member names are exactly these bytes, which zipfile would not write."""
    with zipfile.ZipFile(path, "w") as zipped:
        for i, name in enumerate(names):
            zipped.writestr(f"{i}".rjust(len(name), "#"), content)
    written = path.read_bytes()
    for i, name in enumerate(names):
        written = written.replace(f"{i}".rjust(len(name), "#").encode(), name)
    path.write_bytes(written)
    return path


def test_windows_separators_are_separators(tmp_path):
    names = [b"pets\\cat\\1.png", b"pets\\cat\\", b"pets\\dog\\2.png"]
    source = open_source(zip_of(tmp_path / "a.zip", names))
    assert list(source.stamps) == ["pets/cat/1.png", "pets/dog/2.png"]
    assert source.left_out == {}
    assert {file.name for file in source.read(["pets/dog/2.png"])} == {f"{tmp_path / 'a.zip'}/pets/dog/2.png"}


@pytest.mark.parametrize("name", [b"C:\\pets\\1.png", b"C:/pets/1.png", b"..\\..\\1.png", b"\\\\host\\share\\1.png"])
def test_windows_paths_that_lead_out_are_refused(name, tmp_path):
    with refused(where=str(tmp_path), names=("outside",)):
        open_source(zip_of(tmp_path / "a.zip", [name]))


def test_names_in_utf8_without_the_flag_are_read_as_such(tmp_path):
    source = open_source(zip_of(tmp_path / "a.zip", ["Bär/1.png".encode(), "Füchse/2.png".encode()]))
    assert list(source.stamps) == ["Bär/1.png", "Füchse/2.png"]
    assert source.guessed is None
    assert [file.position for file in source.read(["Füchse/2.png"])] == [0]


def test_names_in_an_unknown_code_page_warn(tmp_path):
    source = open_source(zip_of(tmp_path / "a.zip", ["Bär/1.png".encode("cp437"), b"cat/2.png"]))
    assert list(source.stamps) == ["Bär/1.png", "cat/2.png"]
    with pytest.warns(DataWarning, match="unknown code page.*'Bär/1.png'"):
        source.warn_about_left_out()


def test_names_with_the_flag_are_utf8(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("Bär/1.png", b"x")
    assert list(open_source(tmp_path / "a.zip").stamps) == ["Bär/1.png"]


def test_what_a_mac_and_other_systems_add_is_no_class_and_not_mentioned(tmp_path, save):
    content = save(tmp_path / "a.png").read_bytes()
    added = ["__MACOSX/pets/cat/._0.png", "__MACOSX/0.png", "pets/.DS_Store", "pets/cat/Thumbs.db", "pets/@eaDir/0.png"]
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as zipped:
        for name in [*(f"pets/{word}/{i}.png" for word in ("cat", "dog") for i in range(2)), *added]:
            zipped.writestr(name, content)
    assert folder.load(tmp_path / "pets.zip", None, []).class_names == ("cat", "dog")
    assert open_source(tmp_path / "pets.zip").left_out == {}


def test_other_files_and_links_are_counted_also_from_the_cached_list(tmp_path):
    path = tar_of(tmp_path / "a.tar", {"cat/1.png": b"x", "cat/2.HEIC": b"x", "cat/3.heic": b"x", "cat/x": b""}, "w")
    with tarfile.open(path, "a") as tar:
        for kind, name in ((tarfile.LNKTYPE, "dog/1.png"), (tarfile.SYMTYPE, "dog/2.png")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "cat/1.png"
            tar.addfile(link)
    for _ in range(2):
        source = open_source(path, [tmp_path / "cache"])
        assert source.left_out == {".heic": 2, "no suffix": 1, archive.LINKS: 2}
        with pytest.warns(DataWarning, match=r"5 files .*\.heic \(2\).*first is cat/2\.HEIC"):
            source.warn_about_left_out()


def test_a_path_that_is_there_twice_is_refused(tmp_path):
    path = tar_of(tmp_path / "a.tar", {"cat/1.png": b"old"}, "w")
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo("cat/1.png")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"new"))
    with refused(where="a.tar", names=("1 paths", "cat/1.png")):
        open_source(path)
