import pytest

from clsim.data.io.filenames import class_name, is_image, is_system, suffix_of


@pytest.mark.parametrize(
    ("folder", "name"),
    [("red_fox", "red fox"), ("red fox ", "red fox"), ("red  fox", "red fox"), ("cafe\u0301", "caf\u00e9"), ("_", "")],
)
def test_the_name_of_a_class(folder, name):
    assert class_name(folder) == name


def test_suffixes_and_systems():
    assert is_image("A.JPG") and is_image("a.jfif") and not is_image("a.heic") and not is_image("jpg")
    assert is_system("__MacOSX") and is_system(".x") and is_system("THUMBS.DB") and not is_system("macosx")
    assert suffix_of("a.HEIC") == ".heic" and suffix_of("a") == "no suffix"
