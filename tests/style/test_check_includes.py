"""A check that cannot fail is a defect: tools/check-includes finds each wrong include, and says where."""

import pathlib
import subprocess

import pytest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/check-includes"


@pytest.fixture
def tree(tmp_path):
    """Two rooms in order: `top` stands on `ground`, which alone may have <openssl/...>."""
    files = {
        "ground/.may_include": "openssl/*.h\n",
        "ground/key.h": "#include <stddef.h>\n",
        "ground/key.c": '#include "ground/key.h"\n#include <openssl/evp.h>\n#include <sys/types.h>\n',
        "top/.may_include": "# the rooms below\nground/\n",
        "top/main.c": '#include "ground/key.h"\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def check(tree):
    done = subprocess.run([TOOL, tree], capture_output=True, text=True)
    return done.returncode, done.stdout


def test_a_tree_in_order_passes(tree):
    status, said = check(tree)
    assert status == 0
    assert "2 rooms, 3 files" in said


def test_a_room_that_reaches_upwards_is_found_with_file_and_line(tree):
    (tree / "ground/key.c").write_text('#include "ground/key.h"\n\n#include "top/main.h"\n')
    status, said = check(tree)
    assert status == 1
    assert f'{tree}/ground/key.c:3: ground must not include "top/main.h"' in said
    assert "allows: openssl/*.h" in said


def test_a_library_outside_its_home_is_found(tree):
    (tree / "top/main.c").write_text("#include <openssl/ssl.h>\n")
    status, said = check(tree)
    assert status == 1
    assert f"{tree}/top/main.c:1: top must not include openssl/ssl.h" in said


def test_a_library_in_quotes_is_found_as_well(tree):
    (tree / "top/main.c").write_text('  #  include "openssl/ssl.h"\n')
    assert check(tree)[0] == 1


def test_a_room_without_a_list_is_found(tree):
    (tree / "top/.may_include").unlink()
    status, said = check(tree)
    assert status == 1
    assert "top must say what it may include" in said


def test_a_list_that_names_no_room_is_found(tree):
    (tree / "top/.may_include").write_text("ground/\ncellar/\n")
    status, said = check(tree)
    assert status == 1
    assert f"{tree}/top/.may_include:2: there is no room cellar" in said


def test_a_circle_that_the_lists_themselves_allow_is_found(tree):
    (tree / "ground/.may_include").write_text("openssl/*.h\ntop/\n")
    status, said = check(tree)
    assert status == 1
    assert "circle: ground -> top -> ground" in said


def test_an_include_that_is_not_written_from_src_is_found(tree):
    (tree / "ground/key.c").write_text('#include "key.h"\n')
    status, said = check(tree)
    assert status == 1
    assert 'write it from src/: "ground/key.h"' in said


def test_an_include_spelt_by_a_macro_is_found(tree):
    (tree / "top/main.c").write_text("#include HEADER\n")
    assert check(tree)[0] == 1


def test_a_standard_header_is_told_from_a_room_of_the_same_name(tree):
    """<net/if.h> is the machine's, though there is a room called net."""
    (tree / "net").mkdir()
    (tree / "net/.may_include").write_text("")
    (tree / "net/conn.h").write_text("")
    (tree / "top/main.c").write_text("#include <net/if.h>\n")
    assert check(tree)[0] == 0


def test_a_tree_without_files_does_not_pass(tmp_path):
    assert check(tmp_path)[0] == 1
