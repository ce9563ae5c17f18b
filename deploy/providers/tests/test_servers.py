"""Servers and workers, each as it is really run: no span is lost, and none is sent twice."""

import signal
import subprocess
import threading
import time

from .real import RealTest, each_python, slow

# A WSGI application that calls a service.
WSGI = """
import os, requests
def application(environ, start_response):
    requests.get(os.environ["CALLED"] + "/called")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getpid()]
"""

FASTAPI = """
import os
import fastapi, requests
app = fastapi.FastAPI()
@app.get("/")
def root():
    requests.get(os.environ["CALLED"] + "/called")
    return os.getpid()
"""


@slow
class Gunicorn(RealTest):
    """Three requests for each of two workers, and then SIGTERM, as Kubernetes does it."""

    def serve(self, *options):
        self.write("app.py", WSGI)
        port = self.port()
        server = self.start(
            *("-m", "gunicorn", "--bind", "127.0.0.1:%d" % port, "--workers", "2", "--no-control-socket", *options)
            if self.has_control_socket()
            else ("-m", "gunicorn", "--bind", "127.0.0.1:%d" % port, "--workers", "2", *options),
            "app:application",
        )
        self.get(port)
        workers = set()
        count = 1
        while count < 8:
            threads = [threading.Thread(target=lambda: workers.add(self.get(port))) for _ in range(3)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            count += 3
        out, err = self.ended(server, signal.SIGTERM)
        self.assertEqual(out, "")
        self.assertEqual(self.receiver.wait(count), ["GET"] * count)
        self.assertEqual(self.receiver.called("/called"), count)
        said = err.count("OpenLIT instrumentation initialized")
        self.assertLessEqual(len(workers), said, err)

    def has_control_socket(self):
        folders = [each.name for each in self.site.glob("gunicorn-*.dist-info")]
        return int(folders[0].split("-")[1].split(".")[0]) > 24

    @each_python
    def test_workers(self):
        self.serve()

    @each_python
    def test_the_application_loaded_before_the_fork(self):
        self.serve("--preload")

    @each_python
    def test_threads(self):
        self.serve("--preload", "--threads", "4")

    @each_python
    def test_greenlets(self):
        self.serve("--worker-class", "gevent")

    @each_python
    def test_greenlets_after_the_fork(self):
        self.serve("--preload", "--worker-class", "gevent")


@slow
class Uvicorn(RealTest):
    def serve(self, *options):
        self.write("app.py", FASTAPI)
        self.served = self.port()
        return self.start("-m", "uvicorn", "--port", self.served, *options, "app:app")

    def both(self, count):
        """A span of the server and one of the client for each request."""
        return sorted(["GET", "GET /"] * count + ["GET / http send"] * 2 * count)

    @each_python
    def test_one_process(self):
        server = self.serve()
        self.get(self.served)
        self.ended(server, signal.SIGTERM, -signal.SIGTERM)
        self.assertEqual(self.receiver.wait(4), self.both(1))

    @each_python
    def test_several_workers(self):
        server = self.serve("--workers", "2")
        workers = {self.get(self.served) for _ in range(8)}
        _, err = self.ended(server, signal.SIGTERM)
        self.assertEqual(self.receiver.wait(32), self.both(8))
        self.assertLessEqual(len(workers), err.count("OpenLIT instrumentation initialized"))

    @each_python
    def test_a_reload(self):
        server = self.serve("--reload")
        first = self.get(self.served)
        time.sleep(1)
        self.write("app.py", FASTAPI + "# changed\n")
        end = time.monotonic() + 30
        while self.get(self.served) == first and time.monotonic() < end:
            time.sleep(0.2)
        self.ended(server, signal.SIGTERM)
        count = self.receiver.called("/called")
        self.assertEqual(self.receiver.wait(4 * count), self.both(count))


@slow
class Celery(RealTest):
    @each_python
    def test_a_prefork_pool(self):
        self.write(
            "tasks.py",
            """
            import os, celery, requests
            app = celery.Celery("tasks", broker="filesystem://")
            app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue"}
            @app.task
            def call(): requests.get(os.environ["CALLED"] + "/called")
            """,
        )
        (self.folder / "queue").mkdir()
        (self.folder / "control").mkdir()
        worker = self.start("-m", "celery", "-A", "tasks", "worker", "-c", "2", "-P", "prefork", "--without-mingle")
        self.ran("-c", "import tasks; [tasks.call.delay() for _ in range(4)]", volume=False)
        end = time.monotonic() + 60
        while self.receiver.called("/called") < 4 and time.monotonic() < end:
            time.sleep(0.1)
        self.ended(worker, signal.SIGTERM)
        self.assertEqual(self.receiver.wait(4), ["GET"] * 4)


@slow
class Django(RealTest):
    @each_python
    def test_a_site(self):
        self.write(
            "site_settings.py",
            """
            SECRET_KEY, DEBUG, ALLOWED_HOSTS, ROOT_URLCONF = "secret", False, ["*"], "site_urls"
            """,
        )
        self.write(
            "site_urls.py",
            """
            import os, requests
            from django.http import HttpResponse
            from django.urls import path
            def called(request, name):
                requests.get(os.environ["CALLED"] + "/called")
                return HttpResponse(name)
            urlpatterns = [path("called/<str:name>/", called)]
            """,
        )
        self.write(
            "site_wsgi.py",
            """
            import os
            from django.core.wsgi import get_wsgi_application
            os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
            application = get_wsgi_application()
            """,
        )
        self.write("manage.py", "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'\n"
                   "from django.core.management import execute_from_command_line; execute_from_command_line(sys.argv)\n")
        port = self.port()
        for command in (
            ("-m", "gunicorn", "--bind", "127.0.0.1:%d" % port, "site_wsgi"),
            ("manage.py", "runserver", "--noreload", "127.0.0.1:%d" % port),
        ):
            del self.receiver.spans[:]
            server = self.start(*command)
            self.assertEqual(self.get(port, "/called/me/"), "me")
            self.ended(server, signal.SIGTERM, 0 if "gunicorn" in command else -signal.SIGTERM)
            self.assertEqual(self.receiver.wait(2), ["GET", "GET called/<str:name>/"])


@slow
class Processes(RealTest):
    """Children, however they are made."""

    @each_python
    def test_pools(self):
        for method in ("fork", "spawn", "forkserver"):
            self.write(
                "pool.py",
                """
                import concurrent.futures, multiprocessing, os, sys, requests
                def call(_): requests.get(os.environ["CALLED"] + "/called")
                if __name__ == "__main__":
                    call(0)
                    context = multiprocessing.get_context(sys.argv[1])
                    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool: list(pool.map(call, range(4)))
                    with context.Pool(2) as pool: pool.map(call, range(4)); pool.close(); pool.join()
                    call(0)
                    print("fine")
                """,
            )
            del self.receiver.spans[:]
            self.assertEqual(self.ran("pool.py", method)[0], "fine\n")
            self.assertEqual(self.receiver.wait(10), ["GET"] * 10, method)

    @each_python
    def test_a_fork_goes_on_sending_while_it_lives(self):
        """The thread that sends is started again in the child."""
        self.write(
            "child.py",
            """
            import os, sys, time, requests
            requests.get(os.environ["CALLED"] + "/called")
            if os.fork() == 0:
                requests.get(os.environ["CALLED"] + "/called")
                time.sleep(60)
            os.wait()
            """,
        )
        process = self.start("child.py", OTEL_BSP_SCHEDULE_DELAY="200")
        self.assertEqual(self.receiver.wait(2), ["GET", "GET"])
        process.send_signal(signal.SIGTERM)

    @each_python
    def test_greenlets(self):
        for first, second in (("import gevent.monkey; gevent.monkey.patch_all()", "import requests"),
                              ("import requests", "import gevent.monkey; gevent.monkey.patch_all()")):
            self.write("green.py", first + "\n" + second + "\n" + (
                "import gevent, os\n"
                "def call(): requests.get(os.environ['CALLED'] + '/called')\n"
                "gevent.joinall([gevent.spawn(call) for _ in range(4)], raise_error=True)\n"
                "print('fine')\n"
            ))
            del self.receiver.spans[:]
            started = time.monotonic()
            out, err = self.ran("-W", "ignore", "green.py")
            self.assertEqual(out, "fine\n", err)
            self.assertEqual(self.receiver.wait(4), ["GET"] * 4)
            self.assertLess(time.monotonic() - started, 30)

    @each_python
    def test_sigterm(self):
        for before, sleep in (
            ("", "time"),
            ("import gevent.monkey; gevent.monkey.patch_all()\n", "time"),
            # Its loop, and threads that are threads.
            ("import gevent\n", "gevent"),
        ):
            self.write(
                "waits.py",
                before + "import os, time, requests\nrequests.get(os.environ['CALLED'] + '/called')\n"
                "print('ready', flush=True)\n" + sleep + ".sleep(60)\n",
            )
            del self.receiver.spans[:]
            process = self.start("waits.py")
            self.assertEqual(process.stdout.readline(), "ready\n")
            time.sleep(0.5)
            self.ended(process, signal.SIGTERM, -signal.SIGTERM)
            self.assertEqual(self.receiver.wait(1), ["GET"])


@slow
class Ways(RealTest):
    """Ways to start a program: what it prints is what it prints without us, and its span arrives."""

    def both(self, *arguments, **more):
        without = self.ran(*arguments, volume=False, **more)[0]
        del self.receiver.spans[:]
        self.assertEqual(self.ran(*arguments, **more)[0], without)
        self.assertEqual(self.receiver.wait(1), ["GET"], arguments)

    @each_python
    def test_ways(self):
        call = "import os, sys, requests; requests.get(os.environ['CALLED'] + '/called')\nprint(__name__, sys.argv, sys.path[0])\n"
        self.write("script.py", call)
        self.write("package/__main__.py", call)
        self.both("script.py", "argument")
        self.both("-m", "package")
        self.both("-c", call)
        self.both("package")
        subprocess.run([str(self.python), "-m", "zipapp", "package", "-o", "app.pyz"], cwd=str(self.folder), check=True)
        self.both("app.pyz")

    @each_python
    def test_customizations_of_its_own(self):
        self.write("sitecustomize.py", "print('site', __file__)\n")
        self.write("usercustomize.py", "print('user', __file__)\n")
        self.both("-c", "import os, requests; requests.get(os.environ['CALLED'] + '/called')")
        # They may import what is instrumented.
        self.write("usercustomize.py", "import os, requests; requests.get(os.environ['CALLED'] + '/called')\n")
        self.both("-c", "print(1)")

    @each_python
    def test_a_virtual_environment(self):
        """With packages of its own, and nothing of them on PYTHONPATH."""
        subprocess.run([str(self.python), "-m", "venv", "--without-pip", "env"], cwd=str(self.folder), check=True)
        site = next(self.folder.glob("env/lib/python*/site-packages"))
        self.write(str(site / "packages.pth"), "%s\n" % self.site)
        self.write(str(site / "sitecustomize.py"), "print('of the environment')\n")
        self.python, self.site = self.folder / "env/bin/python", "/nothing"
        self.both("-c", "import os, requests, sys; requests.get(os.environ['CALLED'] + '/called'); print(sys.prefix)")


