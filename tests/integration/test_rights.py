"""What `mutual serve` and `mutual tunnel` give up once it has opened what it needs."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from door import Door, ask, connect, context, plain

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def ctx(ca, place):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")


def status(door):
    """What the kernel says of it, of each thread."""
    tasks = pathlib.Path(f"/proc/{door.process.pid}/task")
    return [dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines()) for task in tasks.iterdir()]


def sandbox_line(door):
    line = door.process.stdout.readline()
    assert line.startswith("sandbox: "), line
    return line


def test_the_sandbox_is_on_unless_told_otherwise_and_says_what_is_in_force(ca, place, ctx):
    (place / "www").mkdir()
    (place / "www/index.html").write_text("a file")
    with Door(place, "--files", "www", home=ca) as door:
        line = sandbox_line(door)
        assert "no new privileges; " in line and " system calls denied" in line
        assert {(one["NoNewPrivs"], one["Seccomp"]) for one in status(door)} == {("1", "2")}, "of every thread"
        with connect(door, ctx) as sock:
            assert ask(sock, GET)[2] == b"a file"
        assert door.stop() == 0
    with Door(place, "--sandbox", "off", home=ca) as door:
        assert sandbox_line(door) == "sandbox: off\n"
        assert {(one["NoNewPrivs"], one["Seccomp"]) for one in status(door)} == {("0", "0")}
        assert door.stop() == 0


def test_as_json_and_in_a_file(ca, place):
    with Door(place, "--json", home=ca) as door:
        event = json.loads(door.process.stdout.readline())
        assert event["event"] == "sandbox" and event["no_new_privileges"] and event["denied_system_calls"] > 40
    (place / "mutual.yaml").write_text(f"sandbox: off\ndoors: [{{listen: '127.0.0.1:0', certificate: localhost.crt, "
                                       f"key: localhost.key, trust: {ca}/ca.crt}}]\n")
    with Door(place, "--config", "mutual.yaml", home=ca, listen=()) as door:
        assert sandbox_line(door) == "sandbox: off\n"


def test_a_socket_of_its_own_can_still_be_removed(ca, place):
    with Door(place, "--control", "here.sock", home=ca, listen=("--listen", f"unix:{place}/door")) as door:
        assert (place / "here.sock").exists() and (place / "door").exists()
        assert door.stop() == 0
    assert not (place / "here.sock").exists() and not (place / "door").exists()


@pytest.fixture
def open_place(place):
    """A copy that others can reach, as the tests' own directory may not be."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="mutual-"))
    shutil.copytree(place, made, dirs_exist_ok=True)
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_roots_rights_are_given_up_for_good(ca, open_place, ctx, mutual):
    os.chmod(open_place / "localhost.key", 0o600)  # read before
    group = f"{NOBODY.pw_name}:{NOBODY.pw_gid}"
    with Door(open_place, "--user", group, "--control", "here.sock", home=ca) as door:
        assert f"; as user {NOBODY.pw_uid}\n" in sandbox_line(door)
        for one in status(door):
            assert set(one["Uid"].split()) == {str(NOBODY.pw_uid)} and set(one["Gid"].split()) == {str(NOBODY.pw_gid)}
            assert set(one["Groups"].split()) <= {str(NOBODY.pw_gid)}, "none of root's"
            assert {one[kind].strip("0") for kind in ("CapEff", "CapPrm", "CapAmb")} == {""}
        with connect(door, ctx) as sock:
            assert ask(sock, GET)[0] == 200
        assert os.stat(open_place / "here.sock").st_uid == NOBODY.pw_uid
        assert mutual("status", "--socket", open_place / "here.sock").code == 0
        assert door.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_where_lists_are_kept_is_for_whom_the_server_becomes(ca, open_place, mutual):
    (open_place / "cache").mkdir(mode=0o755)
    words = ("serve", "--listen", "127.0.0.1:0", "--fetch-crl", "crl.example", "--crl-cache", "cache", "--user", "nobody")
    mutual(*words, cwd=open_place, home=ca).refused("cannot be kept in cache", "for the user that the server runs as")
    os.chown(open_place / "cache", NOBODY.pw_uid, NOBODY.pw_gid)
    with Door(open_place, *words[3:], home=ca) as door:
        assert door.stop() == 0


class Tunnel(Door):
    command = "tunnel"


@pytest.mark.parametrize("options", [(), pytest.param(("--user", "nobody"), marks=pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become another user"))], ids=["sandbox", "user"])
def test_a_tunnel_gives_up_as_much(ca, open_place, ctx, options):
    os.chmod(open_place / "my-client.key", 0o600)
    with Door(open_place, home=ca) as door, \
            Tunnel(open_place, "--to", f"localhost:{door.port}", "--as", "my-client", *options, home=ca) as tunnel:
        line = sandbox_line(tunnel)
        assert "no new privileges; " in line and (options == () or f"; as user {NOBODY.pw_uid}\n" in line)
        assert {(one["NoNewPrivs"], one["Seccomp"]) for one in status(tunnel)} == {("1", "2")}
        if options:
            assert {one["Uid"] for one in status(tunnel)} == {"\t".join([str(NOBODY.pw_uid)] * 4)}
        with plain(tunnel) as sock:
            assert ask(sock, GET)[0] == 200
        assert tunnel.stop() == 0
    with Door(open_place, home=ca) as door, Tunnel(open_place, "--to", f"localhost:{door.port}", "--as", "my-client", "--sandbox",
                                                   "off", home=ca) as tunnel:
        assert sandbox_line(tunnel) == "sandbox: off\n"


@pytest.mark.parametrize("user, said", [
    ("no-such-user", 'no user called "no-such-user"'),
    ("nobody:no-such-group", 'no group called "no-such-group"'),
    ("root", "is root"),
    ("nobody:root", "is root"),
    ("0", "is root"),
    ("-1", "no user called"),
    ("4294967295", "no user called"),
    ("", "no user called"),
])
@pytest.mark.skipif(os.geteuid() != 0, reason="others are refused before that")
def test_a_user_that_cannot_be_is_refused(ca, place, mutual, user, said):
    mutual("serve", "--listen", "127.0.0.1:0", "--user", user).refused(said, "hint: ", code=2)


def test_who_is_not_root_cannot_become_another(ca, open_place, mutual):
    prefix = [] if os.geteuid() != 0 else ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]
    if prefix and subprocess.run([*prefix, mutual.binary, "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("another user cannot run the binary where it is")
    for name in ("localhost.crt", "localhost.key"):
        os.chmod(open_place / name, 0o644)
    shutil.copy(ca / "ca.crt", open_place)
    os.chmod(open_place / "ca.crt", 0o644)
    mutual("serve", "--listen", "127.0.0.1:0", "--cacert", "ca.crt", "--user", "nobody", cwd=open_place,
           prefix=prefix).refused("--user is for root", code=2)
