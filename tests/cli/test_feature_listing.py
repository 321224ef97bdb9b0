from helpers.features import cached_backbone
from helpers.tiny import tiny_images


def test_status_lists_what_is_stored_and_clear_removes_it(command, monkeypatch, tmp_path):
    monkeypatch.setenv("CLSIM_FEATURES", str(tmp_path))
    backbone = cached_backbone(tmp_path)
    backbone.features_of(tiny_images(3))
    code, out, _ = command("cache")
    name, weights, precision, images, size, used = out.strip().split("\t")
    assert (code, name, precision, images) == (0, "small", "fp32", "30")
    assert weights == backbone.key().weights_sha256[:12] and size.endswith(" MB") and used
    code, out, _ = command("cache", "clear")
    assert code == 0 and "1 files" in out
    assert command("cache", "status") == (0, "", "")


def test_a_wrong_limit_is_refused(command, monkeypatch):
    monkeypatch.setenv("CLSIM_FEATURES_LIMIT", "plenty")
    code, _, err = command("cache")
    assert code == 2 and "CLSIM_FEATURES_LIMIT" in err and "plenty" in err


def test_the_cache_may_be_off(command, monkeypatch):
    monkeypatch.setenv("CLSIM_FEATURES", "off")
    assert command("cache") == (0, "", "")
    assert command("cache", "clear")[0] == 0
