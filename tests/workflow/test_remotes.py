"""Results pushed from one clone and pulled into another, over real S3 and SSH servers on loopback.

The remotes have `verify` on, as the README says: without it DVC takes what arrives for what was asked, and
the tests of a damaged object and of a server that dies fail.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from conftest import ROOT, environment, pending, run

pytestmark = pytest.mark.slow

SECRET = "secret-of-this-test"
MODEL = "results/smoke/digits/model.safetensors"


class Server:
    """A server process on a loopback port, which nobody else can take while the server is stopped.

    The command holds the word PORT where the number goes. The server prints 127.0.0.1:number once it listens.
    """

    def __init__(self, folder: Path, *command: str) -> None:
        self.folder, self.command = folder, command
        # Bound and not listening: the server may bind the same port, and without it callers are refused.
        self.place = socket.socket()
        self.place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.place.bind(("127.0.0.1", 0))
        self.port = self.place.getsockname()[1]
        self.process: subprocess.Popen | None = None

    def start(self, *more: str) -> None:
        command = [str(self.port) if word == "PORT" else word for word in (*self.command, *more)]
        log = self.folder / "server.log"
        with log.open("w") as out:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment(), stdout=out, stderr=subprocess.STDOUT
            )
        while f"127.0.0.1:{self.port}" not in log.read_text():
            if self.process.poll() is not None:
                raise AssertionError(f"{command} left with {self.process.returncode}:\n{log.read_text()}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        self.stop()
        self.place.close()


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """A home without keys and credentials, so that nothing of the user's is read; no proxy stands between."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "SSH_"))]:
            patch.delenv(name)
        patch.setenv("HOME", str(folder))
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # else credentials are asked for on the network
        patch.setenv("AWS_MAX_ATTEMPTS", "1")  # a server that is down is asked for minutes otherwise
        yield folder
    assert [path for path in folder.rglob("*") if ".ssh" in path.parts or ".aws" in path.parts] == []


def share(recorded, folder, url, **settings):
    """A clone whose remote `store` is the given one instead of the local folder; not yet pushed."""
    run(folder, "git", "clone", "-q", str(recorded), "first")
    first = folder / "first"
    run(first, "dvc", "pull", "-q")
    run(first, "dvc", "remote", "add", "-q", "-d", "-f", "store", url)
    for name, value in settings.items():
        run(first, "dvc", "remote", "modify", "-q", "store", name, value)
    run(first, "git", "commit", "-qam", "Results are shared")
    return first


def allow(folder, secrets):
    """Give a clone its credentials, in the file that git ignores."""
    for name, value in secrets.items():
        run(folder, "dvc", "remote", "modify", "-q", "--local", "store", name, value)


def stored(folder):
    """The objects of a remote that is a folder: name and bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def s3(recorded, tmp_path_factory, request):
    """A bucket on a server of its own, into which a first clone has pushed the results."""
    import boto3

    folder = tmp_path_factory.mktemp("s3")
    server = Server(folder, "moto_server", "-H", "127.0.0.1", "-p", "PORT")
    request.addfinalizer(server.close)  # also when the rest of this fixture fails
    server.start()
    url = f"http://127.0.0.1:{server.port}"
    secrets = {"access_key_id": "someone", "secret_access_key": SECRET}
    session = boto3.Session("someone", SECRET, region_name="us-east-1")
    bucket = session.resource("s3", endpoint_url=url).Bucket("results")
    bucket.create()
    first = share(recorded, folder, "s3://results/sphere", endpointurl=url, verify="true")
    allow(first, secrets)
    run(first, "dvc", "push", "-q")
    return SimpleNamespace(first=first, server=server, url=url, bucket=bucket, secrets=secrets)


@pytest.fixture(scope="module")
def ssh(recorded, tmp_path_factory, request):
    """A folder behind an SSH server of its own, into which a first clone has pushed the results."""
    import asyncssh

    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "user"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        key.write_public_key(folder / f"{name}.pub")
    script = ROOT / "tests/sftp_server.py"
    server = Server(folder, sys.executable, str(script), "host", "user.pub", "PORT")
    request.addfinalizer(server.close)  # also when the rest of this fixture fails
    server.start()
    url = f"ssh://127.0.0.1:{server.port}{folder}/store"
    secrets = {"keyfile": str(folder / "user")}
    first = share(recorded, folder, url, user="someone", verify="true")
    allow(first, secrets)
    run(first, "dvc", "push", "-q")
    return SimpleNamespace(first=first, server=server, store=folder / "store", secrets=secrets)


@pytest.fixture(params=["s3", "ssh"])
def remote(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def second(tmp_path):
    """Makes a fresh clone of a first one, with the secrets and without any data."""

    def make(remote, secrets=True):
        run(tmp_path, "git", "clone", "-q", str(remote.first), "second")
        folder = tmp_path / "second"
        if secrets:
            allow(folder, remote.secrets)
        assert not (folder / ".dvc/cache").exists()
        assert not (folder / MODEL).exists()
        cache = run(folder, "dvc", "cache", "dir").stdout.strip()
        assert (folder / cache).resolve() == (folder / ".dvc/cache").resolve()
        return folder

    return make


def objects(bucket):
    """Name without prefix, and bytes, of every object in the bucket."""
    return {item.key.removeprefix("sphere/"): item.get()["Body"].read() for item in bucket.objects.all()}


def refill(bucket, held):
    """Put objects into the bucket again."""
    for name, body in held.items():
        bucket.put_object(Key=f"sphere/{name}", Body=body)


def only_whole_files(folder, recorded):
    """Every file that a pull has put in place or in the cache is the recorded one, to the last byte.

    Gives the names of those in place; where a server died early, there may be none.
    """
    names = [
        path.relative_to(folder)
        for place in ("results", "data/prepared")
        for path in (folder / place).rglob("*")
        if path.is_file()
    ]
    assert [name for name in names if (folder / name).read_bytes() != (recorded / name).read_bytes()] == []
    cache = folder / ".dvc/cache/files/md5"
    for path in cache.glob("[0-9a-f][0-9a-f]/*"):
        digest = path.parent.name + path.name
        # A temporary name ends in .tmp, and is no object's.
        if not digest.endswith(".tmp"):
            assert hashlib.md5(path.read_bytes()).hexdigest() == digest.removesuffix(".dir")
    return names


def failed_pull(folder):
    """A pull that has to fail, with words and without a traceback."""
    done = run(folder, "dvc", "pull", check=False)
    assert done.returncode != 0
    assert "ERROR" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr


def complete(folder, recorded):
    """All results are there, and neither DVC nor Snakemake has anything to do."""
    assert only_whole_files(folder, recorded)
    assert (folder / MODEL).read_bytes() == (recorded / MODEL).read_bytes()
    assert "up to date" in run(folder, "dvc", "status").stdout
    assert pending(folder) == set()
    assert run(folder, "git", "status", "--porcelain").stdout == ""
    return True


def test_pushed_from_one_clone_and_pulled_into_another(remote, second, recorded):
    before = stored(recorded.parent / "store")
    folder = second(remote)
    config = run(folder, "dvc", "config", "--list").stdout
    assert str(recorded.parent / "store") not in config
    done = run(folder, "dvc", "pull")
    assert f"{len(before)} files fetched" in done.stdout
    assert complete(folder, recorded)
    assert "in sync" in run(folder, "dvc", "status", "--cloud").stdout


def test_a_remote_holds_every_object_once(s3, ssh, recorded):
    expected = stored(recorded.parent / "store")
    assert len(expected) > 30
    assert objects(s3.bucket) == expected
    assert stored(ssh.store) == expected


def test_secrets_stay_out_of_git(remote):
    history = run(remote.first, "git", "log", "-p", "--all", "--", ".dvc").stdout
    assert "endpointurl" in history or "ssh://" in history
    for name, secret in remote.secrets.items():
        assert secret not in history
        assert name in (remote.first / ".dvc/config.local").read_text()
    assert run(remote.first, "git", "status", "--porcelain").stdout == ""


@pytest.mark.parametrize(
    ("remote", "words"),
    [("s3", "Unable to locate credentials"), ("ssh", "Permission denied")],
    indirect=["remote"],
)
def test_without_credentials_a_pull_says_so(remote, words, second):
    folder = second(remote, secrets=False)
    assert words in failed_pull(folder)
    assert not (folder / MODEL).exists()


def test_a_pull_without_the_s3_server_says_so_and_works_when_it_is_back(s3, second, recorded):
    folder = second(s3)
    run(folder, "dvc", "pull", "-q", "train-digits")
    held = objects(s3.bucket)
    s3.server.stop()
    told = failed_pull(folder)
    assert "Could not connect to the endpoint URL" in told
    assert s3.url in told
    assert (folder / MODEL).exists()
    assert not (folder / "results/smoke/digits/latents.npz").exists()
    assert only_whole_files(folder, recorded)
    # The server keeps its objects in memory.
    s3.server.start()
    s3.bucket.create()
    refill(s3.bucket, held)
    run(folder, "dvc", "pull", "-q")
    assert complete(folder, recorded)


def test_a_damaged_object_is_refused(s3, second, recorded):
    model = (recorded / MODEL).read_bytes()
    held = objects(s3.bucket)
    damaged = {name: body[:1000] for name, body in held.items() if body == model}
    assert len(damaged) == 1
    refill(s3.bucket, damaged)
    try:
        folder = second(s3)
        failed_pull(folder)
        assert not (folder / MODEL).exists()
        only_whole_files(folder, recorded)
    finally:
        refill(s3.bucket, held)
    run(folder, "dvc", "pull", "-q")
    assert complete(folder, recorded)


def test_an_ssh_server_that_dies_within_a_file_leaves_no_half_file(ssh, second, recorded):
    folder = second(ssh)
    ssh.server.stop()
    # The first reads are served; the model, half a megabyte, cannot come through whole.
    ssh.server.start("300000")
    failed_pull(folder)
    assert ssh.server.process.wait() == 1
    assert not (folder / MODEL).exists()
    only_whole_files(folder, recorded)
    ssh.server.start()
    run(folder, "dvc", "pull", "-q")
    assert complete(folder, recorded)
