"""What every scenario needs: the binary, run in a world of its own, and a CA made by it."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.path.abspath(os.environ.get("MUTUAL") or ROOT / "build/release/mutual")
os.environ["MUTUAL"] = BINARY  # door.py reads it too
WAIT = 60  # seconds: how long a command may take before a test fails; nothing is asserted about time


class Result:
    """What a command answered."""

    def __init__(self, argv, code, stdout, stderr):
        self.argv, self.code, self.stdout, self.stderr = argv, code, stdout, stderr

    def __repr__(self):
        return f"{' '.join(self.argv)}: exit {self.code}\n--- stdout\n{self.stdout}--- stderr\n{self.stderr}"

    def ok(self):
        assert self.code == 0, self
        return self

    def refused(self, *words, code=1):
        """It said no: in a sentence with these words, with a hint, and without a word on stdout."""
        assert self.code == code, self
        assert self.stderr.startswith("mutual"), self
        for word in words:
            assert word in self.stderr, f"{word!r} is not in {self!r}"
        return self

    def json(self):
        return json.loads(self.stdout)

    def json_lines(self):
        """One object a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def environment(home):
    """This process's environment without what would make the outcome differ from machine to machine."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MUTUAL_")}
    for name in ("XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY"):  # where a control socket would be
        env.pop(name, None)
    env.update(MUTUAL_HOME=str(home), NO_COLOR="1", LC_ALL="C.UTF-8")
    env["HOME"] = "/nonexistent"  # of whoever runs the tests: theirs is not ours to change
    return env


class Mutual:
    """Call it with the words of a command line."""

    def __init__(self, home, cwd):
        self.binary, self.home, self.cwd = BINARY, home, cwd

    def argv(self, *words):
        return [self.binary, *map(str, words)]

    def environment(self, home=None, env=None):
        return {**environment(home or self.home), **{name: str(value) for name, value in (env or {}).items()}}

    def __call__(self, *words, cwd=None, home=None, input=None, env=None, prefix=(), **popen):
        """`input` is text or bytes for stdin, which is otherwise empty; `prefix` is a command to run it under."""
        argv = [*map(str, prefix), *self.argv(*words)]
        if isinstance(input, str):
            input = input.encode()
        if input is None:
            popen.setdefault("stdin", subprocess.DEVNULL)
        if "stdout" not in popen:
            popen["stdout"] = subprocess.PIPE
        done = subprocess.run(argv, cwd=cwd or self.cwd, env=self.environment(home, env), input=input,
                              stderr=subprocess.PIPE, timeout=WAIT, check=False, **popen)
        return Result(argv, done.returncode, (done.stdout or b"").decode(errors="replace"),
                      done.stderr.decode(errors="replace"))

    def start(self, *words, cwd=None, home=None, **popen):
        """The same, without waiting for its end."""
        for stream in ("stdin", "stdout", "stderr"):
            popen.setdefault(stream, subprocess.DEVNULL)
        return subprocess.Popen(self.argv(*words), cwd=cwd or self.cwd, env=self.environment(home), **popen)


@pytest.fixture
def home(tmp_path_factory):
    """A home that does not exist yet."""
    return tmp_path_factory.mktemp("home") / "mutual"


@pytest.fixture
def mutual(home, tmp_path):
    if not os.access(BINARY, os.X_OK):
        pytest.fail(f"{BINARY} is not there: build it, or name another in MUTUAL")
    return Mutual(home, tmp_path)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """What most tests begin with, made once and copied for each: `home` is a fresh CA's, `more` the same one's when it
    has issued what lies in `files`."""
    directory = tmp_path_factory.mktemp("model")
    (directory / "files").mkdir()
    mutual = Mutual(directory / "more", directory / "files")
    mutual("init").ok()
    shutil.copytree(directory / "more", directory / "home")
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "my-client").ok()
    return directory


@pytest.fixture
def ca(mutual, home, model):
    """The home of a fresh CA, `my-ca`: the one that `mutual` uses unless told otherwise."""
    shutil.copytree(model / "home", home)
    return home


@pytest.fixture
def place(ca, model, tmp_path):
    """A directory with a server's and a client's certificate from that CA: localhost and my-client."""
    shutil.copytree(model / "more", ca, dirs_exist_ok=True)
    shutil.copytree(model / "files", tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="module")
def shared_place(model, tmp_path_factory):
    """The same as `place`, for all tests of a file, with the CA's home in it."""
    place = tmp_path_factory.mktemp("place")
    shutil.copytree(model / "more", place / "home")
    shutil.copytree(model / "files", place, dirs_exist_ok=True)
    shutil.copy(place / "home" / "ca.crt", place)
    return place
