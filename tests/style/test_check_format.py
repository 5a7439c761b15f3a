"""tools/check-format finds and mends the layout, and agrees with itself in each version of clang-format."""

import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools/check-format"

GOOD = """#define MU_BUF_INIT {.data = NULL}

int mu_sum(int a, int b)
{
    return a + b;
}
"""

TORN = """#define MU_BUF_INIT                                                                                \\
    {                                                                                              \\
        .data = NULL                                                                               \\
    }
""" + GOOD.split("\n", 1)[1]


@pytest.fixture
def c_file(tmp_path):
    if shutil.which("clang-format") is None:
        pytest.skip("clang-format is not installed")
    shutil.copy(ROOT / ".clang-format", tmp_path)
    return tmp_path / "sum.c"


def check(*arguments):
    done = subprocess.run([TOOL, *arguments], capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_file_in_order_passes(c_file):
    c_file.write_text(GOOD)
    assert check(c_file)[0] == 0


def test_a_file_out_of_order_is_shown_and_left_alone(c_file):
    bad = GOOD.replace("    return", "  return")
    c_file.write_text(bad)
    status, said = check(c_file)
    assert status == 1
    assert "-  return a + b;\n+    return a + b;\n" in said
    assert c_file.read_text() == bad


def test_fix_lays_it_out(c_file):
    c_file.write_text(GOOD.replace(")\n{", ") {"))
    assert check("--fix", c_file)[0] == 0
    assert c_file.read_text() == GOOD


def test_an_initializer_torn_by_clang_format_14_is_made_whole(c_file):
    c_file.write_text(TORN)
    assert check(c_file)[0] == 1
    assert check("--fix", c_file)[0] == 0
    assert c_file.read_text() == GOOD


def test_a_macro_with_a_block_of_code_stays_one(c_file):
    block = "#define DO(x)" + " " * 86 + "\\\n    {" + " " * 94 + "\\\n        x;" + " " * 89 + "\\\n    }\n"
    c_file.write_text(block)
    check("--fix", c_file)
    assert c_file.read_text() == block
