"""The status listener of a door, asked in plain HTTP, and a strict reader of Prometheus's text format 0.0.4."""
import http.client
import re
import shutil
import socket
import subprocess

from door import WAIT

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:{{({LABEL}(?:,{LABEL})*)}})? (-?\d+(?:\.\d+)?(?:e[+-]\d+)?)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


class OverUnix(http.client.HTTPConnection):
    """HTTP to a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=WAIT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT)
        self.sock.connect(self.path)


def status_of(door):
    """Where a door says that its status listener is."""
    line = door.process.stdout.readline()
    found = re.fullmatch(r"status: (?:http://(.*):(\d+)|unix:(.*))\n", line)
    assert found, line
    return found.group(3) or (found.group(1).strip("[]"), int(found.group(2)))


def ask_status(where, path, method="GET"):
    """(status, headers, body)"""
    http_to = OverUnix(where) if isinstance(where, str) else http.client.HTTPConnection(*where, timeout=WAIT)
    try:
        http_to.request(method, path)
        answer = http_to.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        http_to.close()


def parse(text):
    """{name with its labels: value}; fails on whatever a strict reader would not take."""
    samples, family, kind, seen = {}, None, None, set()
    assert text.endswith("\n") and "\n\n" not in text
    lines = iter(text[:-1].split("\n"))
    for line in lines:
        if line.startswith("# HELP "):
            family = re.fullmatch(rf"# HELP ({NAME}) \S.*", line).group(1)
            assert family not in seen, f"{family} is told twice"
            seen.add(family)
            kind = re.fullmatch(rf"# TYPE {family} (counter|gauge|histogram)", next(lines)).group(1)
            assert (kind == "counter") == family.endswith("_total"), family
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        assert name in [family + suffix for suffix in SUFFIXES.get(kind, ("",))], line
        key = f"{name}{{{labels}}}" if labels else name
        assert key not in samples, f"{key} is told twice"
        samples[key] = float(value)
    for name in [key for key in samples if key.endswith("_count")]:
        buckets = [value for key, value in samples.items() if key.startswith(name[:-len("count")] + "bucket{")]
        assert buckets == sorted(buckets) and buckets[-1] == samples[name], name
    return samples


def metrics(where):
    status, headers, text = ask_status(where, "/metrics")
    assert status == 200 and headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    if shutil.which("promtool"):
        judged = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True,
                                timeout=WAIT, check=False)
        assert judged.returncode == 0, judged
    return parse(text)
