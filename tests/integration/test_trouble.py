"""Full disks, read-only homes, many at once, and kill -9: a clear sentence, nothing lost, nothing half-written."""
import fcntl
import os
import pathlib
import pty
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from conftest import WAIT
from made import files, is_whole_pair, serial
from terminal import read_rest

NOBODY = 65534


class Mount:
    """A small file system of its own at `at`, seen only by what is run with `prefix`, and by us below `seen`."""

    def __init__(self, at, options):
        at.mkdir()
        self.at = at
        mine = os.geteuid() == 0
        self._holder = subprocess.Popen(
            ["unshare", "--mount", *([] if mine else ["--map-root-user"]), "sh", "-c",
             'mount -t tmpfs -o "$1" none "$0" && echo ready && exec sleep 1000', at, options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.works = self._holder.stdout.readline() == b"ready\n"
        self._enter = ["nsenter", f"--target={self._holder.pid}", "--mount",
                       *([] if mine else ["--user", "--preserve-credentials"])]
        self.prefix = [*self._enter, "sh", "-c", 'cd "$0" && exec "$@"']
        self.seen = pathlib.Path(f"/proc/{self._holder.pid}/root{at}")

    def remount(self, options):
        subprocess.run([*self._enter, "mount", "-o", f"remount,{options}", self.at], check=True)

    def fill(self):
        """Leave not a byte."""
        with open(self.seen / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                pass

    def close(self):
        self._holder.kill()
        self._holder.wait(WAIT)
        self._holder.stdout.close()


@pytest.fixture
def mount(tmp_path):
    mounts = []

    def make(options):
        mounts.append(Mount(tmp_path / f"mount{len(mounts)}", options))
        if not mounts[-1].works:
            pytest.skip("this user may not mount a file system")
        return mounts[-1]

    yield make
    for one in mounts:
        one.close()


def listed(mutual, **how):
    return mutual("list", "--json", **how).ok().json_lines()


def assert_no_half_files(*directories):
    """Neither temporary files nor anything that is not whole. SQLite's logs are a part of the records."""
    for directory in directories:
        for name in files(directory):
            assert not re.search(r"\.tmp$|\.mutual-", name), name
            if name.endswith((".crt", ".key")):
                text = (pathlib.Path(directory) / name).read_text()
                assert text.startswith("-----BEGIN ") and text.rstrip().endswith("-----"), name


# --- No room ---

def test_a_full_disk_for_the_new_files(mutual, ca, mount):
    for size in (0, 1):  # pages that are free: none, or one for the key and none for the certificate
        disk = mount("size=64k")
        (disk.seen / "ballast").write_bytes(b"x" * 4096 * size)
        disk.fill()
        (disk.seen / "ballast").unlink()
        mutual("issue", "client", "a", prefix=[*disk.prefix, disk.at]).refused("a.", "No space left", "hint: ")
        assert files(disk.seen) == ["filler"]
        (disk.seen / "filler").unlink()
        mutual("issue", "client", "a", prefix=[*disk.prefix, disk.at]).ok()
        is_whole_pair(disk.seen / "a")


def test_a_full_disk_under_the_home(mutual, mount, tmp_path):
    disk = mount("size=400k")
    (disk.seen / "home").mkdir()
    how = {"home": disk.at / "home", "prefix": [*disk.prefix, tmp_path]}
    mutual("init", **how).ok()
    mutual("issue", "client", "a", **how).ok()
    disk.fill()
    mutual("issue", "client", "b", **how).refused("mutual.db", "make room", "hint: ")
    assert not list(tmp_path.glob("b.*"))
    assert [one["name"] for one in listed(mutual, **how)] == ["a"]
    (disk.seen / "filler").unlink()
    mutual("issue", "client", "b", **how).ok()
    assert [one["name"] for one in listed(mutual, **how)] == ["a", "b"]


def test_a_full_disk_keeps_a_ca_from_being_replaced(mutual, mount, tmp_path):
    disk = mount("size=400k")
    how = {"home": disk.at / "home", "prefix": [*disk.prefix, tmp_path]}
    mutual("init", **how).ok()
    mutual("issue", "client", "a", **how).ok()
    before = files(disk.seen / "home")
    disk.fill()
    for pages in (0, 1, 3, 20):  # for no file; the key, but not the certificate; both, but not the records; ...
        (disk.seen / "filler").write_bytes((disk.seen / "filler").read_bytes()[:-4096 * pages or None])
        mutual("init", "--force", **how).refused(str(disk.at / "home"), "hint: ")
        assert [name for name in files(disk.seen / "home") if not name.startswith("mutual.db-")] == before
    (disk.seen / "filler").unlink()
    assert [one["name"] for one in listed(mutual, **how)] == ["a"]
    mutual("issue", "client", "b", **how).ok()
    mutual("audit", "verify", **how).ok()


def test_a_disk_that_is_full_anywhere_in_an_init_only_delays_it(mutual, mount):
    failures = 0
    for pages in range(1, 40, 3):
        disk = mount(f"size={4 * pages}k")
        how = {"home": disk.at / "home", "prefix": [*disk.prefix, disk.at]}
        result = mutual("init", **how)
        if result.code != 0:
            failures += 1
            result.refused(str(disk.at / "home"), "hint: ")
            assert not (disk.seen / "home/ca.crt").exists()
            disk.remount("size=1m")
            mutual("init", **how).ok()
        disk.remount("size=1m")
        mutual("issue", "client", "a", **how).ok()
    assert 0 < failures < 13, "the sizes are chosen so that some fail and some do not"


# --- No permission ---

def test_a_read_only_home_lists_and_does_not_issue(mutual, mount, tmp_path):
    disk = mount("size=4m")
    how = {"home": disk.at / "home", "prefix": [*disk.prefix, tmp_path]}
    mutual("init", **how).ok()
    mutual("issue", "client", "a", **how).ok()
    disk.remount("ro")
    mutual("issue", "client", "b", **how).refused("mutual.db", "Read-only file system", "writable")
    mutual("init", "--force", **how).refused("Read-only file system", "hint: ")
    assert not list(tmp_path.glob("b.*"))
    assert [one["name"] for one in listed(mutual, **how)] == ["a"]


@pytest.fixture
def theirs():
    """A directory that others can reach, as the tests' own may not be."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="mutual-"))
    made.chmod(0o755)
    yield made
    subprocess.run(["chmod", "-R", "u+rwX", made], check=True)
    shutil.rmtree(made)


@pytest.fixture
def nobody(mutual, theirs):
    """Run it as somebody who owns nothing; an ordinary user is that when permission bits are taken away."""
    if os.geteuid() != 0:
        return []
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if subprocess.run([*prefix, mutual.binary, "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("another user cannot run the binary where it is")
    return prefix


def test_a_home_without_write_permission(mutual, theirs, nobody, tmp_path):
    home, out = theirs / "home", theirs / "out"
    mutual("init", home=home).ok()
    mutual("issue", "client", "a", home=home).ok()
    out.mkdir()
    for path in (home / "ca.key", home / "mutual.db"):
        path.chmod(0o444)
    home.chmod(0o555)
    out.chmod(0o777)
    mutual("issue", "client", "b", home=home, cwd=out, prefix=nobody).refused("Permission denied", "writable")
    assert files(out) == []
    assert [one["name"] for one in listed(mutual, home=home, cwd=out, prefix=nobody)] == ["a"]


def test_a_key_that_may_not_be_read(mutual, theirs, nobody):
    home, out = theirs / "home", theirs / "out"
    mutual("init", home=home).ok()
    home.chmod(0o755)
    out.mkdir()
    out.chmod(0o777)
    (home / "ca.key").chmod(0)
    mutual("issue", "client", "b", home=home, cwd=out, prefix=nobody).refused("ca.key", "Permission denied", "hint: ")
    assert files(out) == []


def test_a_directory_without_write_permission_costs_no_certificate(mutual, ca, theirs, nobody):
    home = theirs / "home"
    mutual("init", home=home).ok()
    if nobody:
        for path in (home, *home.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    theirs.chmod(0o555)
    mutual("issue", "client", "b", home=home, cwd=theirs, prefix=nobody).refused("b.key", "Permission denied")
    assert listed(mutual, home=home) == []


# --- Many at once ---

def all_of(processes):
    for process in processes:
        assert process.wait(WAIT) == 0, process.args
    return len(processes)


def test_twenty_at_once_all_succeed_and_no_serial_comes_twice(mutual, ca, tmp_path):
    count = all_of([mutual.start("issue", "client", f"c{i}") for i in range(20)])
    records = listed(mutual)
    assert len({one["serial"] for one in records}) == len(records) == count
    assert {serial(tmp_path / f"c{i}.crt") for i in range(count)} == {one["serial"] for one in records}
    for i in range(count):
        is_whole_pair(tmp_path / f"c{i}")


def test_two_for_one_name_one_wins(mutual, ca, tmp_path):
    processes = [mutual.start("issue", "client", "same") for _ in range(6)]
    codes = sorted(process.wait(WAIT) for process in processes)
    assert codes == [0] + 5 * [1]
    is_whole_pair(tmp_path / "same")
    assert serial(tmp_path / "same.crt") in {one["serial"] for one in listed(mutual)}


def test_of_many_inits_at_once_one_wins(mutual, home):
    processes = [mutual.start("init") for _ in range(8)]
    codes = sorted(process.wait(WAIT) for process in processes)
    assert codes == [0] + 7 * [1]
    # One that only looked may have been the last to close the records, and cannot put their log away.
    assert [name for name in files(home) if not name.endswith(("-wal", "-shm"))] == ["ca.crt", "ca.key", "mutual.db"]
    mutual("issue", "client", "a").ok()


def test_who_waits_for_another_says_so_on_a_terminal(mutual, ca):
    """Another command that changes the CA's own files asks for a passphrase, perhaps."""
    ours, theirs = pty.openpty()
    home = os.open(ca, os.O_RDONLY)
    fcntl.flock(home, fcntl.LOCK_EX)
    process = subprocess.Popen(mutual.argv("issue", "client", "a"), cwd=mutual.cwd, env=mutual.environment(env={"TERM": "xterm"}),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    while not re.search(rb"waiting for the CA: \d+ s", shown):
        shown += os.read(ours, 65536)
    os.close(home)
    assert read_rest(ours).endswith(b"\r\x1b[K") and process.wait(WAIT) == 0, "nothing of it is left"


# --- kill -9 ---

class Killer:
    """Starts `words` again and again and kills it at some moment of its life, or just after. How long that is changes with what
    else the machine does: who had ended before was given too long, and whom it hit is given longer."""

    def __init__(self, seed, mutual, *words, **how):
        start = time.monotonic()
        mutual(*words, **how).ok()
        self._longest_s = time.monotonic() - start
        self._rng = random.Random(seed)
        self._mutual = mutual
        self.hits = 0

    def strike(self, *words, **how):
        process = self._mutual.start(*words, **how)
        moment_s = self._rng.uniform(0, self._longest_s)
        time.sleep(moment_s)
        process.send_signal(signal.SIGKILL)
        code = process.wait(WAIT)
        assert code in (0, -signal.SIGKILL)
        self._longest_s = moment_s if code == 0 else 1.1 * self._longest_s
        self.hits += code != 0


def test_kill_in_the_middle_of_issue(mutual, ca, tmp_path):
    killer = Killer(20261124, mutual, "issue", "client", "warm")
    for i in range(60):
        killer.strike("issue", "client", f"c{i}")
    assert killer.hits > 10, "the moments are chosen so that many are hit"

    records = listed(mutual)
    serials = [one["serial"] for one in records]
    assert len(set(serials)) == len(serials) >= 61 - killer.hits
    assert_no_half_files(ca, tmp_path)
    for cert in tmp_path.glob("*.crt"):
        assert serial(cert) in serials
        is_whole_pair(cert.with_suffix(""))
    mutual("issue", "client", "after").ok()
    assert len(listed(mutual)) == len(records) + 1
    assert files(ca) == ["ca.crt", "ca.key", "mutual.db"] or "mutual.db-wal" in files(ca)


def test_kill_in_the_middle_of_a_forced_issue_leaves_the_old_pair_or_the_new(mutual, ca, tmp_path):
    killer = Killer(7, mutual, "issue", "client", "a")
    for _ in range(40):
        killer.strike("issue", "client", "a", "--force")
        is_whole_pair(tmp_path / "a")
    assert killer.hits > 10, "the moments are chosen so that many are hit"
    mutual("issue", "client", "a", "--force").ok()
    is_whole_pair(tmp_path / "a")
    assert files(tmp_path) == ["a.crt", "a.key"], "what the killed ones left is gone"


def test_kill_in_the_middle_of_init(mutual, tmp_path):
    killer = Killer(42, mutual, "init", home=tmp_path / "warm")
    cut_off = 0
    for i in range(20):
        home = tmp_path / f"home{i}"
        killer.strike("init", home=home)
        if home.exists():
            assert_no_half_files(home)
        if (home / "ca.crt").exists():
            mutual("init", home=home).refused("there is a CA in")
        else:
            cut_off += 1
            result = mutual("list", home=home).refused("hint: ") if not (home / "mutual.db").exists() \
                else mutual("list", home=home)
            assert result.code in (0, 1)
            mutual("init", home=home).ok()
        mutual("issue", "client", f"c{i}", home=home).ok()
        is_whole_pair(tmp_path / f"c{i}")
        assert len(listed(mutual, home=home)) == 1
    assert cut_off > 3, "the moments are chosen so that many are hit"


def test_kill_in_the_middle_of_a_forced_init_loses_no_key(mutual, ca, tmp_path):
    killer = Killer(3, mutual, "init", home=tmp_path / "warm")
    mutual("issue", "client", "a").ok()
    key = (ca / "ca.key").read_bytes()
    for _ in range(15):
        killer.strike("init", "--force")
        assert key in [path.read_bytes() for path in ca.rglob("ca.key")]
        assert_no_half_files(ca)
    mutual("init", "--force").ok()
    mutual("issue", "client", "b").ok()
    assert not (ca / "mutual.db-journal").exists(), "which would be taken for the new records' own"
    assert [one["name"] for one in listed(mutual)] == ["b"]
