"""`mutual trust`: the root in the lists of CAs of other programs, which then trust a server of ours, and then no longer.

The lists of this machine are never touched: the user's are in a home of the test's own, and the machine's are covered, in a
mount namespace of each command's own, by directories of the test. That takes root; without it those tests are skipped.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import Mutual
from peers import need, run
from terminal import answer
from test_command_line import examples

pytestmark = pytest.mark.judged

LOCAL, CERTS, JAVA = "/usr/local/share/ca-certificates", "/etc/ssl/certs", "/etc/ssl/certs/java/cacerts"


def machine_state():
    """What no test may change."""
    seen = {}
    for place in (LOCAL, CERTS, "/etc/ssl/certs/java"):
        for path in sorted(pathlib.Path(place).glob("*")):
            seen[path] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    return seen


@pytest.fixture(scope="module", autouse=True)
def untouched():
    before = machine_state()
    yield
    assert machine_state() == before


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A CA with a server, and another one of the same name."""
    directory = tmp_path_factory.mktemp("trust")
    mutual = Mutual(directory / "ca", directory)
    mutual("init").ok()
    mutual("issue", "server", "localhost").ok()
    mutual("init", home=directory / "other").ok()
    return mutual


class Person:
    """A user with a home, and mutual in it."""

    def __init__(self, mutual, home, prefix=()):
        self.mutual, self.home, self.prefix = mutual, home, prefix

    def database(self, place=".pki/nssdb"):
        path = self.home / place
        path.mkdir(parents=True)
        run(need("certutil"), "-N", "-d", f"sql:{path}", "--empty-password")
        return path

    def env(self):
        return {"HOME": self.home, "JAVA_HOME": "", "MUTUAL_HOME": self.mutual.home}

    def __call__(self, *words, env=None, **options):
        return self.mutual("trust", *words, env={**self.env(), **(env or {})}, prefix=self.prefix,
                           start_new_session=True, **options)

    def states(self, *words, **options):
        """(kind, state) of each store, in order."""
        told = self("status", "--json", *words, **options)
        assert told.code in (0, 3), told
        return [(one["kind"], one["state"]) for one in told.json()["stores"]]


@pytest.fixture
def person(made, tmp_path):
    (tmp_path / "home").mkdir()
    return Person(made, tmp_path / "home")


@pytest.fixture
def server(made):
    """A server with a certificate of ours, and without questions to its clients. Its port."""
    process = subprocess.Popen(
        [need("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", "localhost.crt", "-key", "localhost.key", "-www"],
        cwd=made.cwd, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for line in process.stdout:
        if found := re.match(r"ACCEPT .*:(\d+)", line):
            break
    yield found[1]
    process.kill()
    process.communicate()


def nicknames(database):
    listed = run(need("certutil"), "-L", "-d", f"sql:{database}").stdout
    return re.findall(r"^(\S.*?) +([a-zA-Z]*,[a-zA-Z]*,[a-zA-Z]*) *$", listed, re.M)


def name_of(made, home=None):
    sha256 = made("inspect", (home or made.home) / "ca.crt", "--json").ok().json()["objects"][0]["sha256"]
    return "mutual-my-ca-" + sha256.replace(":", "").lower()[:16]


# --- NSS ---


def nss_trusts(database, port):
    done = run(need("tstclnt"), "-h", "localhost", "-p", port, "-d", f"sql:{database}", "-Q", "-4", check=False)
    return done.returncode == 0


def test_programs_with_nss_trust_it_and_then_no_longer(made, person, server):
    databases = [person.database(), person.database(".mozilla/firefox/a b.default"),
                 person.database("snap/firefox/common/.mozilla/firefox/c.default")]
    assert not any(nss_trusts(database, server) for database in databases)
    told = person("install", "--only", "nss", "--yes").ok().stdout
    assert all(f"installed: {database}\n" in told for database in databases)
    for database in databases:
        assert nicknames(database) == [(name_of(made), "C,,")]
        assert nss_trusts(database, server)
    person("uninstall", "--only", "nss", "--yes").ok()
    for database in databases:
        assert nicknames(database) == []
        assert not nss_trusts(database, server)


def test_what_is_done_already_is_not_done_again_and_not_asked_about(person):
    person.database()
    assert person.states("--only", "nss") == [("nss", "absent")]
    assert person("status", "--only", "nss").code == 3
    for changed in (True, False):
        told = person("install", "--only", "nss", "--json", *(["--yes"] if changed else [])).ok().json()
        assert [(one["state"], one["changed"]) for one in told["stores"]] == [("installed", changed)]
    person("status", "--only", "nss").ok()
    for changed in (True, False):
        told = person("uninstall", "--only", "nss", "--json", *(["--yes"] if changed else [])).ok().json()
        assert [(one["state"], one["changed"]) for one in told["stores"]] == [("absent", changed)]


def test_nothing_is_changed_unless_somebody_says_yes(made, person):
    database = person.database()
    refused = person("install", "--only", "nss")
    assert refused.code == 1 and refused.stdout == ""
    assert f"-A -d sql:{database} -a -t C,, -n {name_of(made)}" in refused.stderr
    assert "pose as every web site" in refused.stderr and "no terminal" in refused.stderr and "say --yes" in refused.stderr
    for said, code in [("n", 1), ("", 1), ("yess", 1), ("y", 0)]:
        assert nicknames(database) == []
        status, shown = answer(made, ["trust", "install", "--only", "nss"], [said], echo=True, env=person.env())
        assert status == code and f"run {shutil.which('certutil')} -A" in shown, shown
        assert ("nothing was changed" in shown) == (code == 1)
    refused = person("uninstall", "--only", "nss")
    assert refused.code == 1 and f"-D -d sql:{database} -n {name_of(made)}" in refused.stderr
    assert len(nicknames(database)) == 1
    assert answer(made, ["trust", "uninstall", "--only", "nss"], ["yes"], echo=True, env=person.env())[0] == 0
    assert nicknames(database) == []


def test_a_ca_that_is_constrained_is_told_from_one_that_may_pose_as_anybody(made, person):
    person.database()
    made("init", "--permit", "DNS:home.example", home=person.home / "ca").ok()
    told = person("install", "--only", "nss", env={"MUTUAL_HOME": person.home / "ca"}).stderr
    assert "may issue for these names only: DNS:home.example" in told and "pose as" not in told


def test_another_ca_of_the_same_name_is_told_apart_and_taken_out_only_if_it_is_ours(made, person):
    database = person.database()
    theirs = made.cwd / "other/ca.crt"
    person("install", "--only", "nss", "--yes", "--cacert", theirs).ok()
    assert person.states("--only", "nss") == [("nss", "other-ca")]
    told = person("install", "--only", "nss", "--yes").ok()
    assert "another CA of the same name" in told.stderr and "mutual trust uninstall --older" in told.stderr
    assert {name for name, _ in nicknames(database)} == {name_of(made), name_of(made, made.cwd / "other")}
    person("uninstall", "--only", "nss", "--yes", "--older").ok()
    assert nicknames(database) == [(name_of(made), "C,,")]
    person("uninstall", "--only", "nss", "--yes").ok()

    run(need("certutil"), "-A", "-d", f"sql:{database}", "-n", "my own", "-t", "C,,", "-i", theirs)
    for words in (["uninstall"], ["uninstall", "--older"]):
        person(*words, "--only", "nss", "--yes").ok()
    assert nicknames(database) == [("my own", "C,,")]


def test_an_entry_of_somebody_else_is_left_alone_and_told(made, person):
    database = person.database()
    run(need("certutil"), "-A", "-d", f"sql:{database}", "-n", "by hand", "-t", "CT,C,", "-i", made.home / "ca.crt")
    told = person("install", "--only", "nss").ok()
    assert "trusted, but not by mutual" in told.stdout and "as by hand" in told.stdout
    told = person("uninstall", "--only", "nss", "--yes")
    assert told.code == 1 and 'still trusts it as "by hand"' in told.stderr
    assert nicknames(database) == [("by hand", "CT,C,")]


def test_trust_that_was_taken_away_in_the_browser_is_given_back_only_by_install(made, person):
    database = person.database()
    person("install", "--only", "nss", "--yes").ok()
    run(need("certutil"), "-M", "-d", f"sql:{database}", "-n", name_of(made), "-t", ",,")
    assert person.states("--only", "nss") == [("nss", "idle")]
    person("install", "--only", "nss", "--yes").ok()
    assert nicknames(database) == [(name_of(made), "C,,")]


def test_one_database_that_fails_does_not_keep_the_others_from_being_changed(made, person):
    broken, sound = person.database(), person.database(".mozilla/firefox/x.default")
    for name in ("cert9.db", "key4.db"):
        (broken / name).write_bytes(b"no database")
    told = person("install", "--only", "nss", "--yes")
    assert told.code == 1 and f"cannot be read: {broken}" in told.stdout and "certutil failed with exit status 255" in told.stderr
    assert nicknames(sound) == [(name_of(made), "C,,")]
    told = person("status", "--only", "nss", "--json")
    assert told.code == 1 and [(one["state"], one.get("error", {}).get("id")) for one in told.json()["stores"]] == [
        ("unreadable", "command"), ("installed", None)]


def test_a_database_with_a_password_is_told_of(made, person):
    (person.home / "password").write_text("correct horse\n")
    place = person.home / ".pki/nssdb"
    place.mkdir(parents=True)
    run(need("certutil"), "-N", "-d", f"sql:{place}", "-f", person.home / "password")
    told = person("install", "--only", "nss", "--yes")
    assert told.code == 1 and "run this from a terminal, where certutil asks for it" in told.stderr
    assert person.states("--only", "nss") == [("nss", "idle")]


def test_what_is_not_there_is_named_as_absent(person):
    """Whoever asks for all of them gets by without one; whoever asks for it does not."""
    told = person("install", "--only", "nss", "--yes")
    assert told.code == 1 and "NSS          not here: no database in the home directory" in told.stdout
    assert "there is no database in the home directory" in told.stderr and "leave --only nss out" in told.stderr


def test_only_a_root_is_installed(made, person):
    person.database()
    told = person("install", "--only", "nss", "--yes", "--cacert", "localhost.crt")
    assert told.code == 1 and "is not a root" in told.stderr
    told = person("install", "--only", "nss", "--yes", env={"MUTUAL_HOME": person.home / "nothing"})
    assert told.code == 1 and "there is no CA" in told.stderr
    assert person("status", "--only", "windows").code == 2


def test_every_root_of_a_file_is_installed(made, person):
    database = person.database()
    both = person.home / "both.crt"
    both.write_text("".join((home / "ca.crt").read_text() for home in (made.home, made.cwd / "other")))
    told = person("install", "--only", "nss", "--yes", "--cacert", both, "--json").ok().json()
    assert len(told["anchors"]) == len(told["stores"]) == 2
    assert len(nicknames(database)) == 2
    person("uninstall", "--only", "nss", "--yes", "--cacert", both).ok()
    assert nicknames(database) == []


def test_the_examples_in_the_help_work(made, person):
    shutil.copy(made.home / "ca.crt", person.home)
    person.database()
    for command in ("install", "status", "uninstall"):
        for words in examples(f"trust {command}"):
            if "--only" in words:
                person(*words[1:], cwd=person.home).ok()


# --- The system and Java ---


class Machine:
    """Directories of the test's own in the place of the machine's, for the length of a command."""

    def __init__(self, directory):
        self.directory, self.mounts = directory, []
        if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            pytest.skip("to cover the machine's own lists of CAs takes root and a mount namespace")

    def cover(self, path, options="bind"):
        """A directory that stands in the place of `path`."""
        ours = self.directory / f"{len(self.mounts)}-{pathlib.Path(path).name}"
        ours.mkdir()
        self.mounts.append((ours, path, options))
        return ours

    def prefix(self):
        lines = [f"mount -o bind '{ours}' '{path}'" for ours, path, _ in self.mounts]
        lines += [f"mount -o remount,bind,ro '{path}'" for _, path, options in self.mounts if options == "ro"]
        return ["unshare", "-m", "sh", "-ec", "\n".join([*lines, 'exec "$@"']), "sh"]

    def run(self, *words, **options):
        return run(*self.prefix(), *words, **options)


def some_certificate(directory):
    """Of a stranger: no list on a real machine is empty."""
    run(need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=stranger", "-keyout", os.devnull,
        "-out", directory / "stranger.crt")
    return directory / "stranger.crt"


class Debian(Machine):
    """update-ca-certificates, as it is on this machine, between directories of ours; without its hooks."""

    def __init__(self, directory):
        super().__init__(directory)
        need("update-ca-certificates")
        for path in (LOCAL, CERTS, "/usr/share/ca-certificates", "/etc/ca-certificates/update.d"):
            if not os.path.isdir(path):
                pytest.skip(f"{path} is not here")
        self.local, self.certs = self.cover(LOCAL), self.cover(CERTS)
        self.cover("/usr/share/ca-certificates")
        self.cover("/etc/ca-certificates/update.d")
        some_certificate(self.local)
        self.run("update-ca-certificates")


@pytest.fixture
def debian(tmp_path):
    return Debian(tmp_path)


def test_the_systems_programs_trust_it_and_then_no_longer(made, person, debian, server):
    person.prefix = debian.prefix()
    leaf = made.cwd / "localhost.crt"

    def trusted():
        curl = debian.run(need("curl"), "-sS", "-o", os.devnull, f"https://localhost:{server}/", check=False).returncode
        openssl = debian.run(need("openssl"), "verify", "-CApath", CERTS, leaf, check=False).returncode
        assert (curl == 0) == (openssl == 0)
        return curl == 0

    assert not trusted() and person.states("--only", "system") == [("system", "absent")]
    told = person("install", "--only", "system", "--yes").ok()
    assert f"installed: {LOCAL}\n" in told.stdout and "added" not in told.stdout + told.stderr
    assert {path.name for path in debian.local.iterdir()} == {"stranger.crt", f"{name_of(made)}.crt"}
    assert trusted()
    person("install", "--only", "system").ok()

    (debian.local / f"{name_of(made)}.crt").rename(debian.directory / "away.crt")  # as if the program had not been run
    assert person.states("--only", "system") == [("system", "otherwise")]
    (debian.directory / "away.crt").rename(debian.local / f"{name_of(made)}.crt")

    person("uninstall", "--only", "system", "--yes").ok()
    assert not trusted()
    assert {path.name for path in debian.local.iterdir()} == {"stranger.crt"}
    person("uninstall", "--only", "system").ok()


def test_what_was_put_there_by_hand_is_left_alone(made, person, debian):
    person.prefix = debian.prefix()
    shutil.copy(made.home / "ca.crt", debian.local / "by-hand.crt")
    debian.run("update-ca-certificates")
    assert person.states("--only", "system") == [("system", "otherwise")]
    told = person("uninstall", "--only", "system", "--yes")
    assert told.code == 1 and 'still trusts it as "by-hand.crt"' in told.stderr
    assert (debian.local / "by-hand.crt").exists()


def test_who_may_not_change_the_system_is_told_how_and_the_rest_is_done(made, person, debian):
    debian.mounts[0] = (*debian.mounts[0][:2], "ro")
    person.prefix = debian.prefix()
    database = person.database()
    told = person("install", "--only", "system", "--only", "nss", "--yes")
    assert told.code == 1 and f"{LOCAL} can be changed by root only" in told.stderr
    assert f"run: sudo {made.binary} trust install --only system --cacert {made.home}/ca.crt" in told.stderr
    assert nicknames(database) == [(name_of(made), "C,,")]


KEYSTORES = {  # as Debian makes it, and as the JDK brings it since 18: without a password
    "jks": ["-storetype", "jks"],
    "pkcs12": ["-storetype", "pkcs12", "-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE",
               "-J-Dkeystore.pkcs12.macAlgorithm=NONE"]}


@pytest.mark.parametrize("kind", KEYSTORES)
def test_java_trusts_it_and_then_no_longer(made, person, debian, server, kind):
    java, keytool = need("java"), need("keytool")
    home = pathlib.Path(java).resolve().parents[1]
    if os.path.realpath(home / "lib/security/cacerts") != JAVA:
        pytest.skip("this Java has a list of CAs that is not Debian's")
    (debian.certs / "java").mkdir()
    run(keytool, "-importcert", "-noprompt", "-alias", "stranger", "-file", debian.local / "stranger.crt", "-keystore",
        debian.certs / "java/cacerts", "-storepass", "changeit", *KEYSTORES[kind])
    person.prefix = debian.prefix()
    source = pathlib.Path(__file__).with_name("Trusts.java")

    def trusted():
        return debian.run(java, "-Xshare:auto", source, server).stdout == "trusted\n"

    told = person("install", "--only", "java", "--yes", "--json").ok().json()
    assert [one["place"] for one in told["stores"]] == [JAVA]
    assert trusted()
    person("install", "--only", "java").ok()
    person("uninstall", "--only", "java", "--yes").ok()
    assert not trusted()
    assert person.states("--only", "java") == [("java", "absent")]
    listed = run(keytool, "-list", "-keystore", debian.certs / "java/cacerts", "-storepass", "changeit").stdout
    assert "contains 1 entry" in listed and "stranger" in listed


# A program of that name which makes the bundle, as the system's own does.
MAKES_BUNDLE = """#!/bin/sh -e
[ "$*" = "{words}" ]
cat {anchors}/* >{bundle}
"""
FAMILIES = [  # program and its words, anchors, bundle; all below /etc
    ("update-ca-trust", "extract", "pki/ca-trust/source/anchors", "pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
    ("trust", "extract-compat", "ca-certificates/trust-source/anchors", "ca-certificates/extracted/tls-ca-bundle.pem"),
]


@pytest.mark.parametrize("program, words, anchors, bundle", FAMILIES, ids=["fedora", "arch"])
def test_other_systems_keep_their_anchors_elsewhere(made, person, tmp_path, program, words, anchors, bundle):
    machine = Machine(tmp_path)
    etc, tools = machine.cover("/etc"), tmp_path / "bin"
    for path in (etc / anchors, (etc / bundle).parent, tools):
        path.mkdir(parents=True)
    some_certificate(etc / anchors)
    (tools / program).write_text(MAKES_BUNDLE.format(words=words, anchors=f"/etc/{anchors}", bundle=f"/etc/{bundle}"))
    (tools / program).chmod(0o755)
    person.prefix = machine.prefix()
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    assert person("install", "--only", "system", "--yes", env=path).ok().stdout.count(f"installed: /etc/{anchors}\n") == 1
    assert (etc / anchors / f"{name_of(made)}.crt").read_bytes() == (made.home / "ca.crt").read_bytes()
    assert (etc / bundle).read_text().count("BEGIN") == 2
    person("uninstall", "--only", "system", "--yes", env=path).ok()
    assert (etc / bundle).read_text().count("BEGIN") == 1

    (tools / program).write_text("#!/bin/sh\necho it does not work >&2\nexit 7\n")
    told = person("install", "--only", "system", "--yes", env=path)
    assert told.code == 1 and f"{program} failed with exit status 7" in told.stderr and "it does not work" in told.stderr
    assert person.states("--only", "system", env=path) == [("system", "idle")]
    (tools / program).unlink()
    if shutil.which(program) is None:
        told = person("install", "--only", "system", "--yes", env=path)
        assert told.code == 1 and f"is there, but not {program}" in told.stderr


def test_a_machine_without_a_known_list_is_told_so(person, tmp_path):
    machine = Machine(tmp_path)
    machine.cover("/etc")
    machine.cover("/usr/local/share")
    person.prefix = machine.prefix()
    told = person("status", "--only", "system")
    assert told.code == 1 and "not here: no directory of trust anchors that is known here" in told.stdout
