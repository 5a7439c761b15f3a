"""mutual backup and mutual restore: a whole CA in one file, and back."""
import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import time

import pytest

from conftest import WAIT, Mutual
from made import files, leave_midway, mode, serial, verify
from terminal import answer


def names(mutual, **how):
    return [one["name"] for one in mutual("list", "--json", **how).ok().json_lines()]


@pytest.fixture
def backup(mutual, ca, tmp_path):
    """A CA that has issued `before`; its backup; and what came `after`."""
    mutual("issue", "client", "before").ok()
    (ca / "packed").write_text("a file of the operator's own")
    mutual("backup", "b").ok()
    mutual("issue", "client", "after").ok()
    return tmp_path / "b"


def test_one_private_file_holds_everything(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    (ca / "policy.yaml").write_text("something\n")
    shown = mutual("backup", "b").ok()
    assert mode(tmp_path / "b") == 0o600 and files(tmp_path) == ["a.crt", "a.key", "b"]
    assert "ca.crt" in shown.stdout and "policy.yaml" in shown.stdout
    assert "holds the CA's key without a passphrase" in shown.stderr
    told = mutual("backup", "c", "--json").ok().json()
    assert sorted(told["files"]) == ["ca.crt", "ca.key", "policy.yaml"] and told["key_open"] is True
    assert sorted(files(ca)) == ["ca.crt", "ca.key", "mutual.db", "policy.yaml"], "and nothing is left behind"


def test_a_restored_ca_goes_on(mutual, ca, backup, tmp_path):
    new = tmp_path / "new"
    shown = mutual("restore", backup, home=new).ok()
    assert "restored the certificate authority \"my-ca\"" in shown.stdout
    assert "1 certificate\n" in shown.stdout and "is not known to it" in shown.stderr
    for name in ("ca.crt", "ca.key", "packed"):
        assert (new / name).read_bytes() == (ca / name).read_bytes()
    assert [mode(new / name) for name in ("ca.crt", "ca.key", "mutual.db")] == [0o644, 0o600, 0o600]
    assert mode(new) == 0o700
    assert names(mutual, home=new) == ["before"]
    mutual("issue", "client", "next", home=new).ok()
    verify(ca / "ca.crt", tmp_path / "next.crt", "client")
    history = mutual("health", "--json", home=new).ok().json()
    assert "trail" in [one["id"] for one in history["findings"]], "the audit trail is whole"


def test_the_key_is_not_left_in_the_records(mutual, backup, tmp_path):
    mutual("restore", backup, home=tmp_path / "new").ok()
    assert b"PRIVATE KEY" in backup.read_bytes()
    for path in (tmp_path / "new").glob("mutual.db*"):
        assert b"PRIVATE KEY" not in path.read_bytes()
    assert "backup.tmp" not in files(tmp_path / "new") and "restore.tmp" not in files(tmp_path / "new")


def test_both_are_in_the_audit_trail(mutual, ca, backup, tmp_path):
    mutual("restore", backup, home=tmp_path / "new").ok()
    for home, action in ((ca, "backup"), (tmp_path / "new", "restore")):
        with sqlite3.connect(home / "mutual.db") as db:
            [(sha256,)] = db.execute("SELECT sha256 FROM trail WHERE action = ?", (action,)).fetchall()
        db.close()
        assert sha256 == hashlib.sha256(backup.read_bytes()).hexdigest().upper()


def test_a_ca_that_is_there_is_moved_aside_only_with_force(mutual, ca, backup):
    mutual("restore", backup).refused("there is a CA in", "--force")
    assert names(mutual) == ["before", "after"]
    (ca / "policy.yaml").write_text("mine\n")
    shown = mutual("restore", backup, "--force").ok()
    [old] = ca.glob("old-*")
    assert f"what was there has been moved to {old}" in shown.stderr
    assert names(mutual) == ["before"] and names(mutual, home=old) == ["before", "after"]
    assert (ca / "policy.yaml").read_text() == "mine\n", "what is not in the backup stays"


def test_what_a_kill_has_left_half_done_is_moved_aside_whole(mutual, ca, backup):
    key = (ca / "ca.key").read_bytes()
    leave_midway(ca, "ca.key", "ca.crt")
    mutual("restore", backup, "--force").ok()
    [old] = ca.glob("old-*")
    assert (old / "ca.key").read_bytes() == key and not (old / "ca.key").is_symlink()
    mutual("issue", "client", "again", home=old).ok()
    assert not list(ca.glob(".mutual-*"))


@pytest.mark.parametrize("stuck", ["root.crt", "policy.yaml"])
def test_a_restore_that_cannot_go_on_puts_back_what_was_there(mutual, ca, tmp_path, stuck):
    """A mount point cannot be renamed: root.crt is then in the way of moving aside, policy.yaml of moving in."""
    other = tmp_path / "other"
    mutual("init", "other", "--issuing", home=other).ok()
    (other / "policy.yaml").write_text("client:\n  default_lifetime: 30d\n")
    mutual("backup", "b", home=other).ok()
    mutual("issue", "client", "before").ok()
    (ca / stuck).write_text("client:\n  default_lifetime: 20d\n")
    there = {path.name: path.read_bytes() for path in ca.iterdir() if path.is_file() and path.name != "mutual.db"}
    own = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c",
           'mount --bind "$0" "$0" && exec "$@"', str(ca / stuck)]
    if subprocess.run([*own, "true"], capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    mutual("restore", "b", "--force", prefix=own).refused(stuck)
    assert not list(ca.glob("old-*")), "all of it has come back"
    assert {path.name: path.read_bytes() for path in ca.iterdir()
            if path.is_file() and not path.name.startswith("mutual.db")} == there
    assert names(mutual) == ["before"]
    mutual("audit", "verify").ok()
    mutual("issue", "client", "later").ok()


def test_what_is_in_the_way_is_never_overwritten(mutual, ca, tmp_path):
    (ca / "policy.yaml").write_text("old\n")
    mutual("backup", "b").ok()
    new = tmp_path / "new"
    new.mkdir()
    (new / "policy.yaml").write_text("mine\n")
    mutual("restore", "b", home=new).ok()
    assert (new / "policy.yaml").read_text() == "old\n"
    assert [path.read_text() for path in new.glob("old-*/policy.yaml")] == ["mine\n"]


def test_a_protected_key(mutual, home, tmp_path):
    (tmp_path / "secret").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("battery staple\n")
    mutual("init", "--passphrase-file", "secret").ok()
    assert mutual("backup", "b").ok().stderr == "", "no passphrase is needed, and the key is not in the open"
    new = tmp_path / "new"
    mutual("restore", "b", home=new, start_new_session=True).refused("protected by a passphrase")
    mutual("restore", "b", "--passphrase-file", "wrong", home=new).refused("passphrase")
    assert files(new) == [], "nothing is put in place before it is known to work"
    mutual("restore", "b", "--passphrase-file", "secret", home=new).ok()
    mutual("issue", "client", "a", "--passphrase-file", "secret", home=new).ok()


def test_a_backup_under_a_passphrase_of_its_own(mutual, ca, tmp_path):
    (tmp_path / "secret").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("battery staple\n")
    mutual("issue", "client", "before").ok()
    shown = mutual("backup", "b", "--passphrase-file", "secret").ok()
    assert "protected" in shown.stdout and shown.stderr == "" and mode(tmp_path / "b") == 0o600
    data = (tmp_path / "b").read_bytes()
    assert not any(word in data for word in (b"SQLite", b"PRIVATE KEY", b"ca.key", b"before", b"correct horse"))
    new = tmp_path / "new"
    mutual("restore", "b", home=new, start_new_session=True).refused("b is protected by a passphrase")
    mutual("restore", "b", "--passphrase-file", "wrong", home=new).refused("the passphrase does not open b")
    (tmp_path / "cut").write_bytes(data[:-20])
    (tmp_path / "altered").write_bytes(data[:8000] + bytes([data[8000] ^ 1]) + data[8001:])
    for name in ("cut", "altered"):
        mutual("restore", name, "--passphrase-file", "secret", home=new).refused(f"{name} is damaged")
    assert files(new) == []
    mutual("restore", "b", "--passphrase-file", "secret", home=new).ok()
    assert (new / "ca.key").read_bytes() == (ca / "ca.key").read_bytes() and names(mutual, home=new) == ["before"]

    opened = subprocess.run(["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", tmp_path / "b",
                             "-pwri_password", "correct horse"], capture_output=True, check=True, timeout=WAIT).stdout
    assert opened.startswith(b"SQLite format 3")


def test_the_key_in_it_may_have_another_passphrase(mutual, home, tmp_path):
    (tmp_path / "one").write_text("correct horse\n")
    (tmp_path / "two").write_text("battery staple\n")
    mutual("init", "--passphrase-file", "one").ok()
    told = mutual("backup", "b", "--passphrase-file", "two", "--json").ok().json()
    assert told["encrypted"] is True and told["key_open"] is False
    new = tmp_path / "new"
    mutual("restore", "b", "--passphrase-file", "two", home=new).refused("the passphrase does not open the key")
    assert files(new) == []
    code, shown = answer(Mutual(new, tmp_path), ["restore", "b"], ["battery staple", "correct horse"])
    assert code == 0 and "Passphrase for b: " in shown, shown
    mutual("restore", "b", "--passphrase-file", "two", "--key-passphrase-file", "one", "--force", home=new).ok()
    (tmp_path / "empty").write_text("\n")
    mutual("backup", "c", "--passphrase-file", "empty").refused("empty first line")
    assert mutual("backup", "d", "--json", env={"MUTUAL_PASSPHRASE_FILE": "two"}).ok().json()["encrypted"] is False


def test_existing_files_and_bad_places(mutual, ca, backup, tmp_path):
    before = backup.read_bytes()
    mutual("backup", backup).refused("exists already", "--force")
    assert backup.read_bytes() == before
    mutual("backup", backup, "--force").ok()
    assert backup.read_bytes() != before
    mutual("backup", ca / "b").refused("CA's own directory", code=2)
    mutual("backup", "none/b").refused("none/b")
    mutual("backup", tmp_path).refused("is a directory")
    mutual("backup", "c", home="/nowhere").refused("there is no CA in")
    mutual("backup").refused("needs FILE", code=2)
    (ca / "ca.key").unlink()
    mutual("backup", "c").refused("ca.key")
    assert not (tmp_path / "c").exists()


def test_what_is_too_large_or_no_file_is_named(mutual, ca):
    (ca / "large").write_bytes(b"x" * (16 * 1024 * 1024 + 1))
    (ca / "more").mkdir()
    shown = mutual("backup", "b").ok().stderr
    assert "warning: large is not in it" in shown and "warning: more is not in it" in shown


@pytest.mark.parametrize("damage", ["cut", "middle", "junk", "empty", "records", "no file"])
def test_what_is_no_whole_backup_is_refused(mutual, ca, backup, tmp_path, damage):
    data = backup.read_bytes()
    if damage == "records":
        with sqlite3.connect(ca / "mutual.db") as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        shutil.copy(ca / "mutual.db", backup)
    elif damage == "no file":
        backup.unlink()
    else:
        backup.write_bytes({"cut": data[:len(data) // 2], "middle": data[:8192] + b"\xa5" * 16384 + data[24576:],
                            "junk": b"this is no backup", "empty": b""}[damage])
    new = tmp_path / "new"
    result = mutual("restore", backup, home=new).refused(
        {"cut": "damaged", "middle": "damaged", "junk": "is not a backup", "empty": "is empty",
         "records": "it is no backup", "no file": "cannot read"}[damage])
    assert result.stdout == ""
    assert not new.exists() or files(new) == []


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "old-x", "mutual.db-wal", ".hidden", "", "x.tmp", "a/b"])
def test_a_backup_cannot_name_files_outside(mutual, backup, tmp_path, name):
    with sqlite3.connect(backup) as db:
        db.execute("INSERT INTO backup_file VALUES (?, 511, 'x')", (name,))
    db.close()
    new = tmp_path / "deep/new"
    mutual("restore", backup, home=new).refused("strange name")
    assert files(new) == [] and not (tmp_path / "deep/evil").exists()


def test_certificate_and_key_have_to_belong_together(mutual, ca, backup, tmp_path):
    mutual("key", "other.key").ok()
    with sqlite3.connect(backup) as db:
        db.execute("UPDATE backup_file SET data = ? WHERE name = 'ca.key'", ((tmp_path / "other.key").read_bytes(),))
    db.close()
    mutual("restore", backup, home=tmp_path / "new").refused("ca.key")
    assert files(tmp_path / "new") == []


def test_a_backup_of_a_trail_that_was_changed_is_told(mutual, backup, tmp_path):
    with sqlite3.connect(backup) as db:
        db.execute("UPDATE trail SET detail = 'nothing happened' WHERE seq = 2")
    db.close()
    assert "the audit trail in the backup is not whole" in mutual("restore", backup, home=tmp_path / "new").ok().stderr


def test_backups_while_others_issue(mutual, ca, tmp_path):
    (tmp_path / "out").mkdir()
    writers = [mutual.start("issue", "client", f"w{i}", "--out", f"out/w{i}") for i in range(12)]
    makers = [mutual.start("backup", f"b{i}") for i in range(3)]
    assert [process.wait(60) for process in writers + makers] == [0] * 15
    assert sorted(files(ca)) == ["ca.crt", "ca.key", "mutual.db"]
    for i in range(3):
        new = tmp_path / f"new{i}"
        assert "not whole" not in mutual("restore", f"b{i}", home=new).ok().stderr
        assert set(names(mutual, home=new)) <= {f"w{i}" for i in range(12)}


def kill_when(process, seen):
    """As soon as that is there; or it has gone again unseen, and the process is over."""
    while not seen.exists() and process.poll() is None:
        time.sleep(0.0005)
    process.kill()
    process.wait(WAIT)


@pytest.mark.parametrize("seen", ["restore.tmp/home/packed", "restore.tmp/home/mutual.db", "mutual.db"])
def test_a_restore_that_is_killed_leaves_no_half_ca_and_can_be_repeated(mutual, ca, backup, tmp_path, seen):
    new = tmp_path / "new"
    kill_when(mutual.start("restore", backup, home=new), new / seen)
    if not (new / "ca.crt").exists():
        assert mutual("restore", backup, home=new).code == 0, files(new)
    mutual("issue", "client", "x", home=new).ok()
    assert names(mutual, home=new) == ["before", "x"]


def test_a_backup_that_is_killed_leaves_no_half_file_and_is_no_obstacle(mutual, ca, tmp_path):
    """At its work, and when the file has just got its name: then it is whole."""
    mutual("issue", "client", "a").ok()
    for i, seen in enumerate((ca / "backup.tmp", tmp_path / "b1")):
        kill_when(mutual.start("backup", f"b{i}"), seen)
        if (tmp_path / f"b{i}").exists():
            mutual("restore", f"b{i}", home=tmp_path / f"new{i}").ok()
            assert names(mutual, home=tmp_path / f"new{i}") == ["a"]
    assert (tmp_path / "b1").exists()
    mutual("backup", "last").ok()
    assert sorted(files(ca)) == ["ca.crt", "ca.key", "mutual.db"]


def test_no_serial_number_comes_again(mutual, ca, backup, tmp_path):
    mutual("restore", backup, "--force").ok()
    mutual("issue", "client", "again").ok()
    assert serial(tmp_path / "again.crt") not in {serial(tmp_path / "before.crt"), serial(tmp_path / "after.crt")}
    assert re.fullmatch("[0-7][0-9A-F]{35}", serial(tmp_path / "again.crt"))


def test_no_revocation_list_number_comes_again(mutual, ca, backup, tmp_path):
    numbers = [int(mutual("crl", "--json").ok().json()["number"], 16) for _ in range(3)]
    mutual("revoke", "after").ok()
    last = int(mutual("crl", "--json").ok().json()["number"], 16)
    shown = mutual("restore", backup, "--force").ok().stdout
    assert shown.endswith("next: mutual crl, which makes the revocation lists anew\n")
    again = [int(mutual("crl", "--json").ok().json()["number"], 16) for _ in range(3)]
    assert numbers + [last] + again == sorted({*numbers, last, *again})


def test_a_revocation_is_in_the_backup(mutual, ca, tmp_path):
    mutual("issue", "client", "a").ok()
    mutual("revoke", "a").ok()
    mutual("backup", "b").ok()
    new = tmp_path / "new"
    mutual("restore", "b", home=new).ok()
    [one] = mutual("show", "a", "--json", home=new).ok().json_lines()
    assert (one["state"], [entry["action"] for entry in one["history"]]) == ("revoked", ["issue", "revoke"])
    assert (new / "ca.crl").read_bytes() == (ca / "ca.crl").read_bytes()
    mutual("audit", "verify", home=new).ok()
    mutual("health", home=new).ok()
