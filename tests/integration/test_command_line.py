"""What all commands have in common: help, mistakes, output that goes nowhere."""
import json
import os
import pty
import re
import shlex
import subprocess

import pytest

from backend import Backend, greet
from conftest import BINARY, WAIT
from door import Door
from terminal import answer

COMMANDS = ["init", "issue", "key", "request", "sign", "inspect", "verify", "list", "show", "export", "policy", "renew",
            "revoke", "crl", "audit", "ca", "ocsp", "trust", "health", "backup", "restore", "serve", "check", "status", "kick", "tunnel", "get", "explain", "demo"]
GROUPS = {"ca": ["ca request", "ca install", "ca rollover", "ca passwd"], "ocsp": ["ocsp answer", "ocsp request", "ocsp read"],
          "trust": ["trust install", "trust uninstall", "trust status"]}
SINGLE = [one for name in COMMANDS for one in GROUPS.get(name, [name])]  # what can be run
STAYS = ["serve", "status", "kick", "tunnel", "get"]  # their examples need a door, on ports that others may hold
ELSEWHERE = ["trust install", "trust uninstall", "trust status"]  # run by interop/test_trust.py: they need a list of CAs to change


@pytest.fixture
def place(request, mutual, ca, tmp_path):
    """A directory in which every example can be run: each kind of file under the name that examples use."""
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "my-client").ok()
    mutual("request", "my-client", "--key", "my-client.key").ok()
    mutual("request", "api", "--key-type", "p256").ok()
    (tmp_path / "requests").mkdir()
    mutual("request", "db.internal", "--out", "requests/db").ok()
    (tmp_path / "names.txt").write_text("a.internal\nb.internal, 10.0.0.2\n")
    (tmp_path / "new.txt").write_text("correct horse\n")
    mutual("backup", "my-ca.backup").ok()
    for name in ("ca.crt", "ca.key"):
        (tmp_path / name).write_bytes((ca / name).read_bytes())
    mutual("ocsp", "request", "my-client.crt").ok()
    if not request.node.name.endswith("[ocsp answer]"):
        mutual("ocsp", "answer", "my-client.req").ok()
    if " ca " in f" {request.node.name.partition('[')[2].rstrip(']')} ":
        root, online = tmp_path / "root", tmp_path / "online"
        mutual("init", "Root", "--path-length", 1, home=root).ok()
        if "request" not in request.node.name:
            mutual("ca", "request", "Example CA", "--out", "online.csr", home=online).ok()
            mutual("sign", "online.csr", "--profile", "ca", home=root).ok()
            mutual("crl", "--out", "root.crl", home=root).ok()
    (tmp_path / "mutual.yaml").write_text("doors: [{listen: localhost:1, certificate: localhost.crt, key: localhost.key, trust: ca.crt}]\n")
    (tmp_path / "policy.yaml").write_text("server:\n  longest_lifetime: 2y\n")
    return tmp_path


def examples(command):
    shown = subprocess.run([BINARY, *command.split(), "--help"], capture_output=True, text=True, timeout=WAIT, check=True).stdout
    lines = shown.split("Example:\n")[1].rstrip("\n").split("\n")
    assert lines and all(line.startswith(f"  mutual {command}") for line in lines)
    return [shlex.split(line)[1:] for line in lines]


def listed(help_text):
    lines = help_text.split("Commands:\n")[1].split("\nOptions:")[0]
    return re.findall(r"^  (\w+(?: \w+)*)  ", lines, re.M)


def test_help_lists_every_command(mutual):
    shown = mutual("--help").ok().stdout
    assert listed(shown) == COMMANDS
    assert mutual("help").ok().stdout == mutual("-h").ok().stdout == shown


@pytest.mark.parametrize("group", GROUPS)
def test_help_of_a_group_lists_its_commands(mutual, group):
    shown = mutual(group, "--help").ok().stdout
    assert f"Usage:\n  mutual {group} COMMAND" in shown and listed(shown) == GROUPS[group]
    for same in (["help", group], [group, "-h"], [group, "help"], ["--help", group]):
        assert mutual(*same).ok().stdout == shown, same


@pytest.mark.parametrize("command", SINGLE)
def test_help_of_each_command(mutual, command):
    words = command.split()
    result = mutual(*words, "--help").ok()
    assert result.stderr == ""
    assert f"Usage:\n  mutual {command}" in result.stdout
    assert all(len(line) < 120 for line in result.stdout.split("\n"))
    for option in ("--home DIR", "--json", "--help"):
        assert option in result.stdout
    ways = ["help", *words], [*words, "-h"], ["--help", *words], [*words, "a", "b", "c", "--help"]
    same = ways[SINGLE.index(command) % len(ways)]  # each way is met often enough; a start takes its time
    assert mutual(*same).ok().stdout == result.stdout, same


@pytest.mark.parametrize("command", [name for name in SINGLE if name not in STAYS + ELSEWHERE])
def test_the_examples_in_the_help_work(mutual, ca, place, command):
    # The CA and the files are there already; who makes new ones is told that it may.
    more = ["--force"] if command in ("init", "issue", "key", "request", "sign", "backup", "export") else []
    with Door(place, home=ca) as door:
        for words in examples(command):
            mutual(*(word.replace("https://localhost:3000", door.url) for word in words), *more).ok()


def test_the_examples_of_serve_and_get_work(mutual, ca, place):
    """On a port of the kernel's choice."""
    (place / "www").mkdir()
    (place / "www/index.html").write_text("Hello World")
    served = [words[1:] for words in examples("serve")]
    asked = [words[1:] for words in examples("get")]
    assert served and asked
    with Backend(greet) as backend:
        for options in served:
            options = [{"/srv/www": "www", "tcp://127.0.0.1:5432": backend.url,
                        "http://127.0.0.1:8080": backend.url.replace("tcp:", "http:")}.get(word, word) for word in options]
            if "--listen" in options:
                at = options.index("--listen")
                del options[at:at + 2]
            with Door(place, *options, home=ca) as door:
                for words in asked:
                    words = [word.replace("https://localhost:3000", door.url) for word in words]
                    assert mutual("get", *words).ok().stdout == "Hello World"
                assert door.stop() == 0
        assert backend.accepted == 2 * len(asked)


def test_version(mutual):
    for words in (["--version"], ["version"], ["--home", "none", "--version"]):
        assert re.fullmatch(r"mutual \d+\.\d+\.\d+\n", mutual(*words).ok().stdout)
    for words in (["--version", "--json"], ["--json", "--version"], ["version", "--json"]):
        assert mutual(*words).ok().json()["version"] in mutual("--version").stdout


@pytest.mark.parametrize("words, said, hint", [
    ([], "say what to do", "mutual --help"),
    (["isue"], "there is no command \"isue\"", "mutual --help"),
    ([""], "there is no command", "mutual --help"),
    (["a\x1b[2Jb"], "\\x1b", "mutual --help"),
    (["--nonsense"], "there is no option --nonsense", "mutual --help"),
    (["list", "--nonsense"], "there is no option --nonsense", "mutual list --help"),
    (["list", "--nonsense=1"], "there is no option --nonsense", "mutual list --help"),
    (["list", "-x"], "there is no option -x", "mutual list --help"),
    (["list", "--json=1"], "does not take a value", "mutual list --help"),
    (["list", "--name"], "--name needs a value", "mutual list --help"),
    (["list", "--home"], "--home needs a value", "mutual list --help"),
    (["issue", "server", "a", "-t"], "-t needs a value", "mutual issue --help"),
    (["list", "--name", "a", "--name", "b"], "--name is given twice", "mutual list --help"),
    (["list", "more"], "does not know what to do with \"more\"", "mutual list --help"),
    (["sign"], "mutual sign needs FILE.csr", "mutual sign --help"),
    (["serve", "--log", "everything"], "--log", "mutual serve --help"),
    (["ca"], "say what to do: mutual ca COMMAND", "mutual ca --help"),
    (["ca", "pasword"], "there is no command \"ca pasword\"", "mutual ca --help"),
    (["ca", "--nonsense"], "there is no option --nonsense", "mutual ca --help"),
    (["ca", "passwd", "--nonsense"], "there is no option --nonsense", "mutual ca passwd --help"),
    (["ca", "passwd", "more"], "does not know what to do with \"more\"", "mutual ca passwd --help"),
    (["help", "isue"], "there is no command \"isue\"", "mutual --help"),
])
def test_mistakes_exit_2_and_say_where_help_is(mutual, ca, words, said, hint):
    result = mutual(*words).refused(said, f"hint: see: {hint}", code=2)
    assert result.stdout == "" and "\x1b" not in result.stderr
    assert result.stderr.count("\n") == 2


@pytest.mark.parametrize("words, code, error", [
    (["--json", "isue"], 2, "usage"), (["list", "--json", "--nonsense"], 2, "usage"),
    (["list", "--nonsense", "--json"], 2, "usage"), (["list", "--limit", "x", "--limit", "y", "--json"], 2, "usage"),
    (["--nonsense", "list", "--json"], 2, "usage"), (["list", "--json=x", "--json"], 2, "usage"),
    (["list", "--json", "--home", "/nowhere"], 1, "no-ca"), (["--json", "sign", "none"], 1, "not-found"),
    (["sign", "--json", "/dev/null"], 1, "empty"), (["issue", "server", "", "--json"], 1, "bad-name"),
])
def test_errors_as_json(mutual, ca, words, code, error):
    result = mutual(*words)
    assert (result.code, result.stderr) == (code, "")
    told = result.json()["error"]
    assert told["id"] == error and told["what"] and told["hint"] and "cause" in told


def test_behind_two_dashes_nobody_asks_for_json(mutual, ca):
    mutual("list", "--nonsense", "--", "--json").refused("there is no option --nonsense", code=2)


def test_options_stand_before_between_and_after_words(mutual, ca, place):
    for words in (["--json", "--home", ca, "list", "--name", "my-*"], ["list", "--name=my-*", f"--home={ca}", "--json"],
                  ["--home", ca, "list", "--json", "--name", "my-*"]):
        assert [one["name"] for one in mutual(*words, home="/nowhere").ok().json_lines()] == ["my-client"]
    mutual("issue", "--days", 1, "client", "--json", "b", "--san", "c").ok().json()
    mutual("issue", "client", "d", "-td25519").refused("d25519", code=2)
    mutual("issue", "client", "d", "-ted25519").ok()


def test_after_two_dashes_all_is_words(mutual, place):
    mutual("key", "--", "--force").ok()
    assert (place / "--force").exists()
    mutual("list", "--", "--json").refused("\"--json\"", code=2)


def test_numbers_are_numbers(mutual, ca):
    for number in ("", "0x5", "5x", "99999999999999999999", "-1", "1e3", "٣"):
        mutual("issue", "client", "a", f"--days={number}").refused("a whole number from 1 to 36500", code=2)


@pytest.mark.parametrize("words", [
    ["--help"], ["--version"], ["list", "--help"], ["list"], ["list", "--json"], ["inspect", "my-client.crt"],
    ["issue", "client", "new"], ["sign", "-", "--profile", "client"], ["verify", "my-client.crt"],
])
def test_a_full_disk_behind_standard_output_is_told(mutual, place, words):
    with open("/dev/full", "wb") as full, open(place / "my-client.csr", "rb") as csr:
        result = mutual(*words, stdout=full, stdin=csr)
    assert result.code == 1
    assert "cannot write to standard output" in result.stderr and "No space left" in result.stderr


@pytest.mark.parametrize("words", [["--help"], ["list"], ["list", "--json"], ["inspect", "my-client.crt"]])
def test_a_reader_that_has_gone_hears_no_complaint(mutual, place, words):
    """`mutual list | head -0`: exit status 1, and not a word, as other programs do it."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        result = mutual(*words, stdout=gone)
    assert (result.code, result.stderr) == (1, "")


def test_a_path_that_is_no_utf8_is_shown_in_json_too(mutual, tmp_path):
    odd = b"a\xff".decode(errors="surrogateescape")
    shown = "a\\xff"
    home = tmp_path / odd
    assert mutual("init", "--json", home=home).ok().json()["home"].endswith(shown)
    assert mutual("issue", "client", "a", "--json", "--out", odd, home=home).ok().json()["cert"] == f"{shown}.crt"
    (home / odd).write_text("a file of the operator's own")
    told = mutual("backup", odd + "b", "--json", home=home).ok().json()
    assert told["file"] == f"{shown}b" and shown in told["files"]
    assert mutual("crl", "--json", home=home).ok().json()["file"].endswith(f"{shown}/ca.crl")
    # Nor does a long name end in half a letter where it is cut to be a file's.
    assert "\\x" not in mutual("issue", "client", "\U0001f600" * 64, home=home).ok().stdout


def test_closed_standard_streams_do_no_harm(mutual, ca, tmp_path):
    """Nothing that is opened may take the place of a closed stream and be written over."""
    result = mutual("issue", "client", "a", prefix=("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"))
    assert result.code in (0, 1)
    db = (ca / "mutual.db").read_bytes()
    assert db.startswith(b"SQLite format 3\0") and b"mutual: " not in db
    assert [one["name"] for one in mutual("list", "--json").ok().json_lines()] in (["a"], [])
    for made in tmp_path.glob("a.*"):
        assert made.read_text().startswith("-----BEGIN ")


def on_terminal(mutual, *words, **env):
    """What a terminal is shown."""
    ours, theirs = pty.openpty()
    environment = {**mutual.environment(), "TERM": "xterm", **env}
    if env.get("NO_COLOR") == "":
        del environment["NO_COLOR"]
    process = subprocess.Popen(mutual.argv(*words), cwd=mutual.cwd, env=environment, stdin=theirs, stdout=theirs,
                               stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # the other end is closed: that is how Linux ends a terminal
        pass
    os.close(ours)
    process.wait(WAIT)
    return shown.decode()


def test_colours_are_for_terminals_and_no_color_is_obeyed(mutual, place):
    for words in (["list"], ["isue"]):
        assert "\x1b[" in on_terminal(mutual, *words, NO_COLOR="")
        assert "\x1b[" not in on_terminal(mutual, *words, NO_COLOR="1")
        assert "\x1b[" not in on_terminal(mutual, *words, NO_COLOR="", TERM="dumb")
        assert "\x1b[" not in mutual(*words, env={"NO_COLOR": "", "TERM": "xterm"}).stdout


def test_a_passphrase_is_asked_on_the_terminal_and_not_shown(mutual, home, tmp_path):
    (tmp_path / "secret").write_text("correct horse\n")
    mutual("init", "--passphrase-file", "secret").ok()
    code, shown = answer(mutual, ["issue", "client", "a"], ["correct horse"])
    assert code == 0, shown
    assert "Passphrase for " in shown and "ca.key" in shown and "horse" not in shown


def test_json_is_json_whatever_the_names(mutual, ca, tmp_path):
    strange = 'a "quoted" \\ name ę'
    facts = mutual("issue", "client", strange, "--json").ok().json()
    assert facts["subject"].startswith("CN=")
    assert mutual("list", "--json").ok().json_lines()[0]["name"] == strange
    told = json.loads(mutual("sign", "--json", b"n\xff\x01.csr".decode(errors="surrogateescape")).stdout)["error"]
    assert "\\xff\\x01" in told["what"]
