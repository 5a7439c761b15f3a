"""./dev tells what it can do, and says so when it cannot."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def dev(*arguments):
    return subprocess.run([ROOT / "dev", *arguments], capture_output=True, text=True, cwd="/")


def test_without_a_word_it_tells_every_word():
    done = dev()
    assert done.returncode == 0
    for word in ("deps", "build", "demo", "check", "bench", "fuzz", "install"):
        assert f"\n  {word} " in done.stdout


def test_an_unknown_word_is_a_wrong_use():
    done = dev("chekc")
    assert done.returncode == 2
    assert 'there is no "chekc"' in done.stderr


def test_fuzz_asks_for_how_long():
    for wrong in ((), ("soon",), ("0",)):
        done = dev("fuzz", *wrong)
        assert done.returncode == 2
        assert "./dev fuzz SECONDS" in done.stderr
