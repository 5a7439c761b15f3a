"""The demo is the main job from end to end, and what it shows stands in the README."""
import pathlib
import re
import signal
import subprocess
import time

from door import BINARY, WAIT

README = pathlib.Path(__file__).parents[2] / "README.md"


def steps(text):
    """Titles, commands, and what the server said, without what differs from run to run."""
    text = re.sub(r"localhost:\d+", "localhost:PORT", text)
    found = [line for line in text.splitlines() if line.startswith(("# ", "$ "))]
    return found + re.findall(r"refused ([a-z-]+):", text)


def test_every_step_of_the_demo_does_what_it_should(mutual, tmp_path):
    result = mutual("demo", env={"TMPDIR": str(tmp_path)})
    assert result.code == 0, result.stdout + result.stderr
    assert re.search(r"^\d+ steps, 0 failed$", result.stdout, re.M)
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_the_readme_shows_the_demo_as_it_is(mutual, tmp_path):
    result = mutual("demo", env={"TMPDIR": str(tmp_path)})
    shown = README.read_text().split("## The demo", 1)[1].split("```")[1]
    assert steps(shown) == steps(result.stdout)


def test_an_interrupted_demo_cleans_up(tmp_path):
    process = subprocess.Popen([BINARY, "demo"], env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if line.startswith("ready: "):
            break
    process.send_signal(signal.SIGINT)
    process.stdout.read()
    assert process.wait(WAIT) == 1
    for _ in range(WAIT * 10):
        if not list(tmp_path.iterdir()):
            break
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []
