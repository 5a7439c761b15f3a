"""Browsers: each in a home of its own, without a window, and told over a pipe or a socket where to go.

Their NSS databases are peers.nss_database()'s, or whatever `mutual trust` and pk12util make of them. A browser that would ask
its user which certificate to send takes the one that fits instead: by a policy (Chromium) or a preference (Firefox).
"""
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import typing

WAIT_S = 60

# A policy is the machine's; it is laid over it in a mount namespace of the browser's own. "$0" is the policy.
WITH_POLICY = 'mount -t tmpfs none /etc/chromium && mkdir -p /etc/chromium/policies/managed && ' \
              'printf %s "$0" > /etc/chromium/policies/managed/own.json && exec "$@"'
POLICY = {"AutoSelectCertificateForUrls": [json.dumps({"pattern": "*", "filter": {}})]}

PREFERENCES = {
    "marionette.port": 0, "security.default_personal_cert": "Select Automatically", "network.dns.forceResolve": "127.0.0.1",
    "network.proxy.type": 0, "browser.startup.page": 0, "app.update.enabled": False, "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False, "toolkit.telemetry.enabled": False, "app.normandy.enabled": False,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False, "services.settings.server": "http://127.0.0.1:9/"}

# What became of it is heard where the browser itself hears it, for some failures are on no page.
LOOK = """
const [url, done] = arguments;
const watch = { observe(channel) {
  channel.QueryInterface(Ci.nsIHttpChannel);
  if (channel.URI.spec != url) return;
  Services.obs.removeObserver(watch, "http-on-stop-request");
  let status = 0, protocol = "";
  try { status = channel.responseStatus; protocol = channel.protocolVersion; } catch (e) {}
  const known = Object.keys(Cr).find(name => Cr[name] == channel.status);
  const error = channel.securityInfo?.errorCodeString || (channel.status ? known || channel.status.toString(16) : "");
  const settle = () => gBrowser.selectedBrowser.webProgress.isLoadingDocument
    ? setTimeout(settle, 5) : done([status, protocol, status ? "" : error]);
  settle();
} };
Services.obs.addObserver(watch, "http-on-stop-request");
gBrowser.selectedBrowser.loadURI(Services.io.newURI(url), { triggeringPrincipal: Services.scriptSecurityManager.getSystemPrincipal() });
"""


class Page(typing.NamedTuple):
    status: int     # of HTTP; 0: there was no answer
    protocol: str   # h2, http/1.1
    text: str
    error: str      # the browser's own name of it: net::ERR_..., SSL_ERROR_...


class Silent(Exception):
    """The browser has not answered in time, or is gone."""


class Browser:
    """A process group, and what is said to it."""

    def __init__(self, argv, home, **more):
        self.numbers, self.buffer = itertools.count(1), b""
        with open(home / "browser.log", "ab") as log:
            self.process = subprocess.Popen([str(word) for word in argv], env={**os.environ, "HOME": str(home)}, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True, **more)
        try:
            self.begin()
        except BaseException:
            self.close()
            raise

    def begin(self):
        """The first words, once it runs."""

    def until(self, end):
        """The bytes before `end`."""
        deadline = time.monotonic() + WAIT_S
        while end not in self.buffer:
            ready, _, _ = select.select([self.reader], [], [], max(0, deadline - time.monotonic()))
            got = os.read(self.reader.fileno(), 65536) if ready else b""
            if not got:
                raise Silent
            self.buffer += got
        before, _, self.buffer = self.buffer.partition(end)
        return before

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def with_policy(policy):
    """The command before a command that lives under this policy."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--mount", "sh", "-c", WITH_POLICY, json.dumps(policy)]


def can_have_policy():
    return shutil.which("unshare") is not None and os.path.isdir("/etc/chromium") and subprocess.run(
        [*with_policy(POLICY), "true"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def high(pair):
    """The same two ends, out of the way of 3 and 4, where the browser wants them."""
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in pair)
    for end in pair:
        os.close(end)
    return moved


class Chromium(Browser):
    """Chromium, over the pipe of its DevTools protocol."""

    program, database = "chromium", ".pki/nssdb"
    TEXT = "document.readyState == 'complete' && location.protocol == 'https:' ? document.body.innerText : undefined"

    def __init__(self, home, newest=None):
        (theirs, self.writer), (reader, answers) = high(os.pipe()), high(os.pipe())
        self.reader = os.fdopen(reader, "rb", buffering=0)
        limits = [f"--ssl-version-max=tls{newest}"] if newest else []
        argv = [*with_policy(POLICY), "bash", "-c", f"exec \"$0\" \"$@\" 3<&{theirs} 4>&{answers}", self.program, "--headless=new",
                "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-dev-shm-usage", "--no-proxy-server", "--host-resolver-rules=MAP * 127.0.0.1", "--remote-debugging-pipe",
                f"--user-data-dir={home}/profile", *limits, "about:blank"]
        self.its_ends = (theirs, answers)
        super().__init__(argv, home, pass_fds=self.its_ends)

    def begin(self):
        for end in self.its_ends:
            os.close(end)
        page = next(one for one in self.ask("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        self.ask("Network.enable")

    session = None

    def ask(self, method, **params):
        number = next(self.numbers)
        said = {"id": number, "method": method, "params": params, **({"sessionId": self.session} if self.session else {})}
        os.write(self.writer, json.dumps(said).encode() + b"\0")
        self.events = []
        while (got := json.loads(self.until(b"\0"))).get("id") != number:
            self.events.append(got)
        return got["result"]

    def open(self, url):
        gone = self.ask("Page.navigate", url=url)
        if "errorText" in gone:
            return Page(0, "", "", gone["errorText"])
        answers = [event["params"]["response"] for event in self.events if event.get("method") == "Network.responseReceived"
                   and event["params"]["type"] == "Document"]
        while "value" not in (text := self.ask("Runtime.evaluate", expression=self.TEXT)["result"]):
            time.sleep(0.01)
        return Page(answers[-1]["status"], answers[-1]["protocol"], text["value"], "")

    def close(self):
        super().close()
        os.close(self.writer)
        self.reader.close()


class Firefox(Browser):
    """Firefox, over its Marionette protocol."""

    program, database = "firefox-esr", ".mozilla/firefox/own.default"
    NEWEST = {"1.2": 3, "1.3": 4}

    def __init__(self, home, newest=None):
        profile, preferences = home / self.database, dict(PREFERENCES)
        if newest:
            preferences["security.tls.version.max"] = self.NEWEST[newest]
        profile.mkdir(parents=True, exist_ok=True)
        (profile / "user.js").write_text("".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
                                                 for name, value in preferences.items()), encoding="utf-8")
        self.listening = profile / "MarionetteActivePort"
        self.listening.unlink(missing_ok=True)
        super().__init__([self.program, "--headless", "--no-remote", "--marionette", "--remote-allow-system-access",
                          "--profile", profile], home)

    def begin(self):
        deadline = time.monotonic() + WAIT_S
        while not (self.listening.exists() and self.listening.read_text(encoding="ascii").strip()):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise Silent
            time.sleep(0.02)
        self.reader = socket.create_connection(("127.0.0.1", int(self.listening.read_text(encoding="ascii"))))
        self.message()
        self.ask("WebDriver:NewSession", capabilities={"alwaysMatch": {"timeouts": {"script": WAIT_S * 1000}}})

    def message(self):
        length = int(self.until(b":"))
        while len(self.buffer) < length:
            got = self.reader.recv(65536)
            if not got:
                raise Silent
            self.buffer += got
        text, self.buffer = self.buffer[:length], self.buffer[length:]
        return json.loads(text)

    def ask(self, name, **params):
        said = json.dumps([0, next(self.numbers), name, params]).encode()
        self.reader.sendall(b"%d:%s" % (len(said), said))
        _, _, error, result = self.message()
        if error:
            raise Silent(error["message"])
        return result and result.get("value")

    def open(self, url):
        self.ask("Marionette:SetContext", value="chrome")
        status, protocol, error = self.ask("WebDriver:ExecuteAsyncScript", script=LOOK, args=[url], sandbox="system")
        if error:
            return Page(0, "", "", error)
        self.ask("Marionette:SetContext", value="content")
        text = self.ask("WebDriver:ExecuteScript", args=[], script="return document.body.innerText")
        return Page(status, protocol, text, "")

    def close(self):
        super().close()
        if hasattr(self, "reader"):
            self.reader.close()


def new_home(directory):
    return tempfile.mkdtemp(prefix="home-", dir=directory)
