"""A web server on a port of the kernel's, for what certificates point to: lists, and a responder."""
import contextlib
import functools
import http.server
import subprocess
import threading

from door import WAIT


class Point:
    """Serves the files of a directory. `answers` may put something else in the place of one, or ("*") of all."""

    def __init__(self, directory, respond=None):
        self.answers, self.asked, self.news, self.respond = {}, [], threading.Condition(), respond
        point = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def note(self):
                with point.news:
                    point.asked.append(self.path)
                    point.news.notify_all()

            def send(self, status, headers, body):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def do_GET(self):
                self.note()
                answer = point.answers.get(self.path, point.answers.get("*"))
                super().do_GET() if answer is None else self.send(*answer)

            def do_POST(self):
                assert self.headers["Content-Type"] == "application/ocsp-request"
                request = self.rfile.read(int(self.headers["Content-Length"]))
                self.note()
                self.send(*point.respond(request))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(directory)))
        self.host = f"localhost:{self.server.server_port}"  # a name, which has to be looked up
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def is_asked(self, times):
        with self.news:
            assert self.news.wait_for(lambda: len(self.asked) >= times, WAIT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def responder(mutual, valid="1h"):
    """`mutual ocsp answer`, as a web server would run it."""
    def respond(request):
        done = subprocess.run(mutual.argv("ocsp", "answer", "--valid", valid), input=request, capture_output=True,
                              cwd=mutual.cwd, env=mutual.environment(), check=False, timeout=WAIT)
        return 200, {"Content-Type": "application/ocsp-response"}, done.stdout
    return respond
