"""Asserts in pytest that an application's cache and database cannot disagree.

The fixture ``quarrel_app`` runs the program quarrel on an ``app.toml``::

    def test_profiles(quarrel_app):
        quarrel_app.explore()

What breaks fails the test, with the messages in the order that broke it. What
could not be decided fails it too, as :class:`Undecided`, and what quarrel could
not do at all as :class:`QuarrelError`: neither is a pass.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

__all__ = ["Application", "Broken", "QuarrelError", "Undecided"]


class Broken(AssertionError):
    """The guarantee does not hold; ``output`` says what happened."""

    def __init__(self, command, output):
        super().__init__(f"{' '.join(command)}\n{output}")
        self.output = output


class Undecided(AssertionError):
    """Nothing broke, and nothing was shown to hold."""


class QuarrelError(Exception):
    """quarrel could not do its work: the application did not start, a file
    makes no sense, a server is not to be had."""


class Application:
    """An application as its file describes it."""

    def __init__(self, quarrel, file, cluster, results):
        self.quarrel = quarrel
        self.file = Path(file)
        self.cluster = cluster
        self.results = Path(results)
        self._stores = None

    def explore(self, clients=3, time="60s", race=None):
        """Tries every order of the messages of up to ``clients`` requests, for
        at most ``time``. ``race`` is a file that keeps what breaks. Returns
        what quarrel said."""
        __tracebackhide__ = True
        more = ["--out", os.fspath(race)] if race is not None else []
        return self._judged("explore", "--clients", str(clients), "--time", time, *more)

    def storm(self, fault=None, time="10s", expect="linearizable", more=()):
        """Sends many requests for ``time``, under ``fault`` if one is named,
        and judges what they saw by ``expect``. ``more`` are further words for
        ``quarrel run``. Returns what quarrel said."""
        __tracebackhide__ = True
        words = ["--fault", fault] if fault is not None else []
        return self._judged("run", "--time", time, "--expect", expect, *words, *more)

    def replay(self, race, times=20):
        """Makes a race that was kept happen again, and fails if it did not
        break ``times`` times. Returns what quarrel said."""
        __tracebackhide__ = True
        words = ["replay", os.fspath(race), "-n", str(times)]
        code, output = self._run(*words, "--app", str(self.file))
        if code != 0:
            raise self._failure(code, words, output, {1: Undecided, 2: Undecided})
        return output

    def doctor(self):
        """What each request says to the stores."""
        __tracebackhide__ = True
        words = ["app", "doctor", str(self.file)]
        code, output = self._run(*words)
        if code != 0:
            raise self._failure(code, words, output, {2: Undecided})
        return output

    @property
    def primary(self):
        """The URL of a primary of one's own, for tests that need a database."""
        return self._url("primary")

    @property
    def replica(self):
        """The URL of its replica."""
        return self._url("replica")

    @property
    def cache(self):
        """The URL of a Redis of one's own."""
        return self._url("cache")

    def _url(self, store):
        if self._stores is None:
            self._stores = Stores(self)
        # Some libraries know only the long name.
        return self._stores.addresses[store].replace("postgres://", "postgresql://", 1)

    def _judged(self, verb, *words):
        # A test that fails shows what broke, and not where in here.
        __tracebackhide__ = True
        command = [verb, "--app", str(self.file), *words]
        code, output = self._run(*command)
        if code != 0:
            verdicts = {1: Broken, 2: Undecided, 3: Undecided}
            raise self._failure(code, command, output, verdicts)
        return output

    @staticmethod
    def _failure(code, words, output, verdicts):
        failure = verdicts.get(code, QuarrelError)
        command = ["quarrel", *words]
        if failure is Broken:
            return Broken(command, output)
        return failure(f"{' '.join(command)}: exit code {code}\n{output}")

    def _run(self, *words):
        done = self._start(*words, "--cluster", self.cluster)
        return done.returncode, (done.stdout + done.stderr).strip()

    def _start(self, *words):
        environment = {**os.environ, "QUARREL_RESULTS": str(self.results)}
        try:
            return subprocess.run(
                [self.quarrel, *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise QuarrelError(
                f"{self.quarrel}: {error}; name it in the variable QUARREL or the option "
                "quarrel of pytest's ini file"
            ) from error

    def _close(self):
        if self._stores is not None:
            self._stores.close()


class Stores:
    """A cluster that is up as long as somebody wants its addresses."""

    # A cluster outlives who asked for it; its name says whose it is.
    PREFIX = "pytest-"

    def __init__(self, application):
        self.application = application
        self._take_down_orphans()
        self.name = f"{self.PREFIX}{os.getpid()}-{id(self)}"
        words = ("up", "--name", self.name, "--cluster", application.cluster)
        (cluster,) = self._ask(*words, "--format", "json")
        self.addresses = dict(cluster["addresses"])

    def close(self):
        self._ask("down", "--name", self.name)

    def _take_down_orphans(self):
        for cluster in self._ask("status", "--format", "json") or []:
            name = cluster["name"]
            owner = name[len(self.PREFIX) :].split("-")[0]
            if name.startswith(self.PREFIX) and owner.isdigit() and not _lives(int(owner)):
                self._ask("down", "--name", name)

    def _ask(self, *words):
        done = self.application._start("cluster", *words)
        if done.returncode != 0:
            raise QuarrelError(f"quarrel cluster {' '.join(words)}\n{done.stderr.strip()}")
        return json.loads(done.stdout) if "json" in words else None


def _lives(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def pytest_addoption(parser):
    parser.addini("quarrel", "the program quarrel; by default $QUARREL, or quarrel on the PATH")
    parser.addini("quarrel_app", "the file that describes the application", default="app.toml")
    parser.addini("quarrel_cluster", "where it runs: auto, docker or native", default="auto")


@pytest.fixture
def quarrel_app(request, pytestconfig, tmp_path):
    """The application of ``app.toml``, or of the file that the test names by
    ``@pytest.mark.parametrize("quarrel_app", ["path"], indirect=True)``."""
    file = getattr(request, "param", None) or pytestconfig.getini("quarrel_app")
    application = Application(
        pytestconfig.getini("quarrel") or os.environ.get("QUARREL") or "quarrel",
        pytestconfig.rootpath / file,
        pytestconfig.getini("quarrel_cluster"),
        tmp_path / "quarrel",
    )
    yield application
    application._close()
