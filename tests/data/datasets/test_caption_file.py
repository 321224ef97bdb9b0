import pytest
from helpers.errors import refused

from clsim.data import load_captions
from clsim.data.datasets.caption_file import Row, split


@pytest.fixture
def table(tmp_path, save):
    """Write a table beside four images: ``table(text, name)``."""
    for value, name in enumerate(["a.png", "b.png", "deeper/c.png", "d.png"]):
        save(tmp_path / name, value)

    def write(text, name="set.tsv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def loaded(path, **options):
    return load_captions(f"captions:{path}", root=path.parent, **options)


def test_several_rows_of_an_image_are_its_captions(table):
    text = "image\tcaption\tsplit\na.png\tone\ttrain\nb.png\tb\ttest\n./a.png\ttwo\tTrain\n\ndeeper/c.png\tc\ttrain\n"
    path = table(text)
    data = loaded(path)
    assert data.train.captions == (("one", "two"), ("c",)) and data.test.captions == (("b",),)
    assert data.train.pixels[:, 0, 0, 0].tolist() == [0, 2]
    assert data.train.pixels.shape == (2, 3, 8, 8)
    assert loaded(path, image_size=16).train.pixels.shape == (2, 3, 16, 16)
    assert data.name == data.train.name == f"captions:{path}"


@pytest.mark.parametrize("name", ["set.csv", "captions.txt"])
def test_commas_and_quotes(table, name):
    path = table('split,caption,image\ntrain,"a cat, and ""more""",a.png\ntest, dog ,b.png\n', name)
    data = loaded(path)
    assert data.train.texts == ('a cat, and "more"',) and data.test.texts == ("dog",)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_without_header(table, mark):
    lines = [f"{name}\tthis, is {name}" for name in ("a.png", "b.png", "deeper/c.png", "d.png")]
    path = table(mark + "\r\n".join(lines), "captions.txt")
    data = loaded(path)
    assert set(data.train.texts + data.test.texts) == {line.split("\t")[1] for line in lines}


def test_a_fifth_is_set_aside_and_a_new_image_moves_no_other():
    rows = [Row("x:1", f"{i}.jpg", "text", None) for i in range(1000)]
    train, test = split(rows)
    assert 160 < len(test) < 240 and len(train) + len(test) == 1000
    fewer = split(rows[::2])
    assert set(fewer[0]) <= set(train) and set(fewer[1]) <= set(test)
    assert [name for name in test if int(name.split(".")[0]) < 20] == ["1.jpg", "4.jpg", "19.jpg"]


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ("image\tcaption\na.png\n", "got 1", 2),
        ("a.png\tone\nb.png\ttwo\tmore\n", "got 3", 2),
        ("image\tcaption\na.png\t \n", "caption", 2),
        ("image\tcaption\n\tone\n", "image", 2),
        ("image\tcaption\tsplits\n", "the columns are image, caption, splits", 1),
        ("image\ttext\n", "the columns are image, text", 1),
        ("image\tcaption\timage\n", "the columns are image, caption, image", 1),
        ("a.png\tone\n\n../b.png\ttwo\n", "../b.png", 3),
        ("/a.png\tone\n", "/a.png", 1),
        ("deeper\\c.png\tone\n", "deeper\\c.png", 1),
        ("a.png\tone\nz.png\ttwo\n", "image z.png", 2),
        ("deeper\tone\n", "image deeper", 1),
        (f"{'a long caption ' * 30}\ta.png\n", "image a long", 1),
        ("image\tcaption\tsplit\na.png\tone\tval\n", "'val'", 2),
        ("image\tcaption\tsplit\na.png\tone\ttrain\na.png\ttwo\ttest\n", "a.png is in test here but in train", 3),
        ('a.png\tone\nb.png\t"two\n', "cannot be read", 2),
        ('a.png\tone\nb.png\t"two\nd.png\tthree"\n', "next line", 2),
        ('a.png\tone\nb.png\t"two" more\n', "cannot be read", 2),
    ],
)
def test_a_wrong_row_is_named_with_its_line(table, text, says, line):
    path = table(text)
    with refused(where=f"{path}:{line}", names=(says,)) as caught:
        loaded(path)
    assert caught.value.fix


@pytest.mark.parametrize(("part", "other"), [("train", "test"), ("test", "train")])
def test_both_parts_need_an_image(table, part, other):
    path = table(f"image\tcaption\tsplit\na.png\tone\t{part}\n")
    with refused(where=str(path), names=(f"no {other} images", "`split`")):
        loaded(path)


def test_an_empty_file_no_file_and_no_text(table):
    for text in ("", "image\tcaption\n"):
        with refused(where="set.tsv", names=("no rows",)):
            loaded(table(text))
    path = table("")
    path.write_bytes(b"a.png\t\xff\n")
    with refused(where=str(path), names=("UTF-8",)):
        loaded(path)
    with refused(where="other.tsv", names=("no such file",)):
        loaded(path.with_name("other.tsv"))


def test_images_of_several_sizes_need_a_size(table, save):
    path = table("image\tcaption\tsplit\na.png\tone\ttrain\nb.png\ttwo\ttest\n")
    save(path.parent / "b.png", 1, (16, 16))
    with refused(where=str(path), names=("8 and 16 pixels", "image_size")):
        loaded(path)
    assert loaded(path, image_size=8).test.pixels.shape == (1, 3, 8, 8)
