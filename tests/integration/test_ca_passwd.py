"""`mutual ca passwd`: the passphrase of the CA's own key."""
import os
import shutil
import stat
import subprocess

import pytest

from conftest import WAIT
from door import Door
from made import leave_midway
from terminal import answer


@pytest.fixture
def secrets(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"passphrase {name}\n")
    (tmp_path / "empty").write_text("\n")


def public_half(path, passphrase=None):
    words = ["openssl", "pkey", "-in", path, "-pubout", "-passin", f"pass:{passphrase or ''}"]
    return subprocess.run(words, capture_output=True, text=True, timeout=WAIT, check=True).stdout


def test_a_passphrase_is_set_changed_and_removed_and_the_key_stays(mutual, ca, secrets):
    key = ca / "ca.key"
    before = public_half(key)
    assert str(key) in mutual("ca", "passwd", "--new-passphrase-file", "one").ok().stdout
    assert "ENCRYPTED" in key.read_text() and stat.S_IMODE(key.stat().st_mode) == 0o600
    mutual("issue", "client", "a").refused("protected by a passphrase")
    mutual("issue", "client", "a", "--passphrase-file", "one").ok()

    told = mutual("ca", "passwd", "--json", "--new-passphrase-file", "two", env={"MUTUAL_PASSPHRASE_FILE": "one"}).ok()
    assert told.json() == {"keys": [str(key)], "encrypted": True}
    mutual("issue", "client", "b", "--passphrase-file", "one").refused("does not open")
    assert public_half(key, "passphrase two") == before

    mutual("ca", "passwd", "--remove", "--passphrase-file", "two").ok()
    assert "ENCRYPTED" not in key.read_text() and public_half(key) == before
    mutual("issue", "client", "b").ok()
    mutual("ca", "passwd", "--remove").ok()
    assert sorted(os.listdir(ca)) == ["ca.crt", "ca.key", "mutual.db"]


def test_one_that_was_killed_leaves_nothing_when_it_is_said_again(mutual, ca, secrets):
    leave_midway(ca, "ca.key")
    assert str(ca / "ca.key") in mutual("ca", "passwd", "--new-passphrase-file", "one").ok().stdout
    assert "ENCRYPTED" in (ca / "ca.key").read_text() and not (ca / "ca.key").is_symlink()
    assert sorted(os.listdir(ca)) == ["ca.crt", "ca.key", "mutual.db"], "least of all the key as it was"


@pytest.mark.parametrize("words, said, code", [
    (["--new-passphrase-file", "two"], "is protected by a passphrase", 1),
    (["--new-passphrase-file", "two", "--passphrase-file", "two"], "the passphrase does not open", 1),
    (["--passphrase-file", "one"], "--new-passphrase-file FILE, or run from a terminal", 1),
    (["--passphrase-file", "one", "--new-passphrase-file", "empty"], "empty first line", 1),
    (["--passphrase-file", "one", "--new-passphrase-file", "nothing"], "No such file", 1),
    (["--passphrase-file", "one", "--new-passphrase-file", "two", "--remove"], "--remove leaves no passphrase", 2),
    (["--remove"], "is protected by a passphrase", 1),
])
def test_whatever_is_wrong_the_key_stays_as_it_is(mutual, ca, secrets, words, said, code):
    mutual("ca", "passwd", "--new-passphrase-file", "one").ok()
    before = (ca / "ca.key").read_bytes()
    mutual("ca", "passwd", *words, prefix=["setsid"]).refused(said, code=code)
    assert (ca / "ca.key").read_bytes() == before
    assert sorted(os.listdir(ca)) == ["ca.crt", "ca.key", "mutual.db"]


def test_a_root_key_in_the_home_gets_the_same_passphrase(mutual, ca, secrets):
    shutil.copy(ca / "ca.key", ca / "root.key")
    told = mutual("ca", "passwd", "--new-passphrase-file", "one", "--json").ok().json()
    assert told["keys"] == [str(ca / "ca.key"), str(ca / "root.key")]
    assert public_half(ca / "root.key", "passphrase one") == public_half(ca / "ca.key", "passphrase one")


def test_a_key_that_others_could_read_is_for_its_owner_again(mutual, ca, secrets):
    (ca / "ca.key").chmod(0o604)
    mutual("ca", "passwd", "--new-passphrase-file", "one").ok()
    assert stat.S_IMODE((ca / "ca.key").stat().st_mode) == 0o600


def test_the_key_of_another_ca_is_left_alone(mutual, ca, secrets):
    mutual("key", ca / "ca.key", "--force").ok()
    before = (ca / "ca.key").read_bytes()
    mutual("ca", "passwd", "--new-passphrase-file", "one").refused("ca.key", "ca.crt")
    assert (ca / "ca.key").read_bytes() == before


def test_a_key_behind_a_symbolic_link_is_replaced_where_it_lies(mutual, ca, secrets, tmp_path):
    (tmp_path / "stick").mkdir()
    shutil.move(ca / "ca.key", tmp_path / "stick/ca.key")
    (ca / "ca.key").symlink_to(tmp_path / "stick/ca.key")
    mutual("ca", "passwd", "--new-passphrase-file", "one").ok()
    assert (ca / "ca.key").is_symlink() and "ENCRYPTED" in (tmp_path / "stick/ca.key").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave a file to somebody else")
def test_a_key_stays_with_its_owner(mutual, ca, secrets):
    os.chown(ca / "ca.key", 1, 1)
    mutual("ca", "passwd", "--new-passphrase-file", "one").ok()
    assert ((ca / "ca.key").stat().st_uid, (ca / "ca.key").stat().st_gid) == (1, 1)


def test_without_a_ca_it_says_how_to_make_one(mutual, home):
    mutual("ca", "passwd", "--remove").refused("there is no CA", "mutual init")


def test_a_new_passphrase_is_typed_twice_and_not_shown(mutual, ca):
    typed = ["correct horse", "correct horse"]
    code, shown = answer(mutual, ["ca", "passwd"], typed)
    assert code == 0, shown
    assert "New passphrase for " in shown and "Once more: " in shown and "horse" not in shown
    public_half(ca / "ca.key", "correct horse")

    code, shown = answer(mutual, ["ca", "passwd"], ["correct horse", "battery", "batery"])
    assert code == 1 and "the two passphrases differ" in shown
    public_half(ca / "ca.key", "correct horse")

    code, shown = answer(mutual, ["ca", "passwd"], ["correct horse", ""])
    assert code == 1 and "no new passphrase" in shown
    public_half(ca / "ca.key", "correct horse")


def test_the_trail_tells_that_the_passphrase_is_another_one(mutual, ca, tmp_path):
    (tmp_path / "new").write_text("correct horse\n")
    mutual("ca", "passwd", "--new-passphrase-file", "new").ok()
    mutual("ca", "passwd", "--passphrase-file", "new", "--remove").ok()
    told = mutual("audit").ok().stdout
    assert "key" in told and "protected by a new passphrase" in told and "no passphrase any more" in told
    assert "horse" not in told
    mutual("audit", "verify").ok()


def test_a_protected_ca_key_opens_wherever_the_ca_signs(mutual, ca, secrets, tmp_path):
    mutual("ca", "passwd", "--new-passphrase-file", "one").ok()
    unlock = ("--passphrase-file", "one")
    mutual("issue", "client", "a", *unlock).ok()
    mutual("request", "b").ok()
    mutual("sign", "b.csr", "--profile", "client", *unlock).ok()
    mutual("sign", "b.csr", "--cacert", ca / "ca.crt", "--cakey", ca / "ca.key", "--force", *unlock).ok()
    with Door(tmp_path, *unlock, home=ca) as door:  # without a certificate at hand, the CA issues it one
        assert mutual("get", "--as", "a", door.url).ok().stdout == "Hello World"
    for words in (["issue", "client", "c"], ["sign", "b.csr", "--force"], ["serve"]):
        mutual(*words, start_new_session=True).refused("ca.key is protected by a passphrase")


def test_a_full_disk_leaves_the_old_key(mutual, ca, secrets):
    before = (ca / "ca.key").read_bytes()
    full = ("sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh")
    mutual("ca", "passwd", "--new-passphrase-file", "one", prefix=full).refused(str(ca), "hint: ")
    assert (ca / "ca.key").read_bytes() == before
    mutual("issue", "client", "a").ok()


def test_whenever_it_is_killed_the_key_opens_with_the_old_passphrase_or_the_new(mutual, ca, secrets):
    key = ca / "ca.key"
    mutual("ca", "passwd", "--new-passphrase-file", "one").ok()
    same = public_half(key, "passphrase one")
    now, other = "one", "two"
    for i in range(40):
        process = mutual.start("ca", "passwd", "--passphrase-file", now, "--new-passphrase-file", other)
        try:
            process.wait(i / 2000)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait(WAIT)
        if mutual("ca", "passwd", "--passphrase-file", other, "--new-passphrase-file", other).code == 0:
            now, other = other, now
        assert public_half(key, f"passphrase {now}") == same
