"""./dev tells what it can do, and says so when it cannot."""

import os
import pathlib
import re
import subprocess

import pytest

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


# --- The packages that it asks for, before a made-up apt ---

@pytest.fixture
def debian(tmp_path):
    """Programs in the place of apt's, which know these packages and have those installed; nothing is changed."""
    def make(known, installed):
        programs = tmp_path / "programs"
        programs.mkdir()
        (tmp_path / "known").write_text("".join(f"{name}\n" for name in known))
        (tmp_path / "installed").write_text("".join(f"{name} installed\n" for name in installed))
        scripts = {"dpkg-query": f"cat {tmp_path}/installed",
                   "apt-cache": f'for last; do :; done; grep -qxF "$last" {tmp_path}/known',
                   "apt-get": f'echo "$@" >>{tmp_path}/asked'}
        scripts.update({name: ":" for name in ("tee", "chmod", "rm", "systemctl", "sudo")})
        for name, script in scripts.items():
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run([ROOT / "dev", "deps", "check"], capture_output=True, text=True, env=env, check=True)
        asked = (tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else ""
        return done.stdout, asked.split("\n")
    return make


def every_package():
    """What check wants, as each line's first choice."""
    text = (ROOT / "dev").read_text()
    lists = re.findall(r"^packages_(?:build|check)=(?:'|\")([^'\"]*)", text, re.M)
    return [word for words in lists for word in words.split() if not word.startswith("$")]


def test_of_two_names_the_one_that_apt_knows_is_installed(debian):
    rest = [word.split("|")[0] for word in every_package()]
    _, asked = debian(["node-llhttp"], [name for name in rest if name != "libllhttp-dev"] + ["zlint"])
    assert asked[1].endswith(" node-llhttp")


def test_a_package_that_may_be_absent_is_installed_where_there_is_one(debian):
    rest = [word.split("|")[0] for word in every_package() if word != "zlint|"]
    _, asked = debian(["zlint"], rest)
    assert asked[1].endswith(" zlint")


def test_a_package_that_may_be_absent_is_not_asked_for_where_there_is_none(debian):
    rest = [word.split("|")[0] for word in every_package() if word != "zlint|"]
    said, asked = debian([], rest)
    assert "packages: all there" in said and asked == [""]


def test_a_package_that_may_be_absent_does_not_stop_the_others(debian):
    rest = [word.split("|")[0] for word in every_package() if word not in ("zlint|", "gcc")]
    _, asked = debian([], rest)
    assert asked[1].endswith(" gcc") and "zlint" not in asked[1]
