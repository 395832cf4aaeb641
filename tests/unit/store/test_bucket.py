"""What is different in a bucket: its promises are probed, its files cached, its locks run out."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
import pytest
from tests.no_room import no_room

from radlas.errors import ConfigError, StoreError
from radlas.flows.base import Flow, Plan, Report, StoreConfig
from radlas.places import answers, objects
from radlas.places.bucket import Bucket
from radlas.places.objects import Objects
from radlas.store import delta, leases
from radlas.store.compact import compact, vacuum
from radlas.store.frozen import read_snapshots
from radlas.store.layout import Store, init_store, open_store
from radlas.store.locks import writing
from radlas.store.log import in_plain_words
from radlas.store.query import connect, run_sql
from radlas.store.snapshots import create_snapshot

from .conftest import case_row, overwrite, part_names


@pytest.fixture
def kept(bucket):
    """A store in a bucket with one case."""
    store = init_store(bucket)
    delta.append(store, "cases", [case_row("a")], run_id="r")
    return store


def count(store):
    with connect(store) as connection:
        return run_sql(connection, "select count(*) from cases").fetchall()[0][0]


@pytest.mark.parametrize(
    ("kind", "ignored"), [("careless", "If-None-Match"), ("forgetful", "If-Match")]
)
def test_object_storage_without_conditional_writes_is_refused_and_left_clean(bucket, kind, ignored):
    address = bucket.replace("s3://radlas/", f"s3://{kind}/")
    with pytest.raises(StoreError, match=f"it ignores {ignored}") as caught:
        init_store(address)
    assert caught.value.reason == "no_conditional_writes"
    assert "MinIO" in caught.value.hint
    assert Bucket(address).names() == []


def test_the_probe_of_an_init_that_was_killed_does_not_keep_the_next_one_out(bucket, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            init_store(bucket)
    assert Bucket(bucket).names()
    assert init_store(bucket).key()


class Throttled(BaseHTTPRequestHandler):
    """A server that says "slow down" until a time."""

    protocol_version = "HTTP/1.1"
    until = 0.0

    def do_GET(self):
        away = time.monotonic() < self.until
        self.send_response(503 if away else 200)
        for name, value in (
            ("Content-Length", "4"),
            ("ETag", '"x"'),
            ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"slow" if away else b"data")

    def log_message(self, *_):
        pass


@pytest.fixture
def throttled(bucket, monkeypatch):
    monkeypatch.setattr(Throttled, "until", 0.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Throttled) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield Bucket(bucket)
        server.shutdown()


@pytest.mark.parametrize("worker", [False, True])
def test_a_server_that_answered_once_is_waited_for(throttled, worker):
    """It throttles, or is started anew, and a run of hours is not to end of it."""
    assert throttled.read("a") == b"data"
    place = pickle.loads(pickle.dumps(throttled)) if worker else throttled  # noqa: S301 - our own bytes
    Throttled.until = time.monotonic() + 4
    assert place.read("a") == b"data"
    assert place.delta_options["retry_timeout"] == "30s", "and so is it by the log"


def test_a_server_that_never_answered_is_not_waited_for(throttled):
    Throttled.until = time.monotonic() + 100
    began = time.monotonic()
    with pytest.raises(StoreError, match="503") as caught:
        throttled.read("a")
    assert time.monotonic() - began < 10
    assert "look at the server" in caught.value.hint, "its address and the key are right"


def test_a_server_that_stays_away_in_the_middle_is_told_as_that(throttled, monkeypatch):
    monkeypatch.setitem(objects._PATIENT, "max_retries", 1)
    throttled.read("a")
    Throttled.until = time.monotonic() + 100
    with pytest.raises(StoreError, match="run the same command again"):
        throttled.read("a")


def test_whichever_answer_breaks_off_each_row_is_stored_once(kept, object_storage, monkeypatch):
    """A server that is started anew ends its connections in the middle of what it says."""
    monkeypatch.setattr(answers, "_PAUSES", (0.01,) * 3)
    for number in range(1, 25):
        urllib.request.urlopen(f"{object_storage}/cut/{number}").close()  # noqa: S310 - ours
        delta.append(kept, "cases", [case_row(f"b{number}")], run_id="r")
        assert count(kept) == 1 + number


@pytest.mark.parametrize("number", [12, 13, 26, 27, 28])
def test_whichever_answer_breaks_off_old_files_are_removed(
    kept, object_storage, monkeypatch, number
):
    """Of the log or of a list, by the first look at them or the second: it ended `compact`."""
    monkeypatch.setattr(answers, "_PAUSES", (0.01,) * 3)
    delta.append(kept, "cases", [case_row("b")], run_id="r")
    compact(kept, "cases", many=1)
    urllib.request.urlopen(f"{object_storage}/cut/{number}").close()  # noqa: S310 - ours
    told = vacuum(kept, "cases", [], hours=0)
    urllib.request.urlopen(f"{object_storage}/cut/0").close()  # noqa: S310 - ours
    assert len(told) == 2
    assert len(kept.place.names("lake/cases")) - len(kept.place.names("lake/cases/_delta_log")) == 1


def test_a_server_that_stays_away_from_the_log_is_told_in_words(kept, monkeypatch):
    """Not as a tree in colour, nor as a defect, nor with the advice to look at the disk."""
    monkeypatch.setattr(objects, "_PATIENT_LOG", {"max_retries": "0"})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="the bucket cannot be used: Error performing") as caught:
        delta.version(kept, "cases")
    assert "run the same command again" in caught.value.hint
    assert "\x1b" not in str(caught.value)


class Refusing(BaseHTTPRequestHandler):
    """A server that refuses all, in the words of S3."""

    protocol_version = "HTTP/1.1"
    code = ""

    def do_GET(self):
        body = f"<?xml version='1.0'?>\n<Error><Code>{self.code}</Code><Message>No, no.</Message>"
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("ExpiredToken", "renew the credentials"),
        ("RequestTimeTooSkewed", "put this machine's clock right"),
        ("XMinioStorageFull", "make room on the server"),
        ("InvalidRequest", "look at the server"),
    ],
)
@pytest.mark.parametrize("of_log", [False, True])
def test_what_a_server_says_of_its_refusal_is_told(kept, monkeypatch, of_log, code, hint):
    """Of a key that expired its status says: a bad request; and to ask again is no help."""
    monkeypatch.setattr(Refusing, "code", code)
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        place = Bucket(str(kept.place), known=True)
        with pytest.raises(StoreError, match=f"400 Bad Request: {code}: No, no\n") as caught:
            delta.version(kept, "cases") if of_log else place.read("a")
        server.shutdown()
    assert caught.value.what.count(code) == 1
    assert hint in caught.value.hint


def test_a_key_without_rights_to_the_log_is_told_in_words():
    """The library gives neither number nor the server: it was told as `[Errno None] None`."""
    told = "Kernel error -> Lacks the privileges\n  \x1b[31m↳\x1b[0m <Error><Code>AccessDenied"
    with pytest.raises(StoreError) as caught, in_plain_words("s3://bucket/log"):
        raise OSError(told)
    assert caught.value.what == "the bucket cannot be used: Kernel error -> Lacks the privileges"
    with pytest.raises(OSError, match="odd: of a disk") as here, in_plain_words("/store/log"):
        raise OSError("odd\n  of a disk")
    assert (here.value.strerror, here.value.filename) == ("odd: of a disk", "/store/log")


UNKNOWN = """HTTP error: error sending request

Debug source:
    error: InvalidCertificate(
        UnknownIssuer,
    ),"""


@pytest.mark.parametrize(
    ("answer", "told", "hint"),
    [
        (UNKNOWN, "signed by none whom this machine trusts", "SSL_CERT_FILE"),
        ("invalid peer certificate: UnknownIssuer", "signed by none", "SSL_CERT_FILE"),
        ("invalid peer certificate: certificate expired", "has expired", "renewed"),
        ("error: InvalidCertificate(NotValidForNameContext", "is of another host", "ENDPOINT"),
        ("tcp connect error: Connection refused (os error 111)", "nobody listens there", "given"),
        ("Error performing HEAD http://x in 1ms - 403 Forbidden", "403", "renew the credentials"),
        ("GET http://x in 1ms - status code: 429 Too Many Requests", "429", "look at the server"),
        ("error performing PUT http://169.254.169.254/latest", "no credentials are set", "ACCESS"),
        ("400: <Error><Code>InvalidURI</Code><Message>UnknownIssuer.", "InvalidURI", "given"),
    ],
)
def test_why_there_is_no_answer_is_told_and_what_to_try(answer, told, hint):
    """Of each it was said that nothing could be sent, and credentials were to be looked at."""
    error = answers.unusable(answer, "s3://x/y", "as given")
    assert told in error.what
    assert hint in error.hint
    assert "\n" not in error.what


@pytest.mark.parametrize("lacking", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_half_of_the_credentials_that_is_lacking_is_told(bucket, monkeypatch, lacking):
    monkeypatch.delenv(lacking)
    with pytest.raises(StoreError, match="half of the credentials is not set") as caught:
        Bucket(bucket).read("a")
    assert lacking in caught.value.hint


def test_a_server_without_tls_that_is_asked_by_it_is_told_as_that(bucket, monkeypatch):
    url = os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", url.replace("http://", "https://"))
    monkeypatch.setattr(objects, "_PATIENT_LOG", {"max_retries": "1"})
    for ask in (Bucket(bucket).names, lambda: delta.version(Store(Bucket(bucket), "", ""), "rois")):
        with pytest.raises(StoreError, match="it speaks no TLS") as caught:
            ask()
        assert "http:// in AWS_ENDPOINT_URL" in caught.value.hint


def test_a_bucket_that_is_not_there_is_named(bucket):
    for ask in (init_store, open_store, lambda address: Bucket(address).names()):
        with pytest.raises(StoreError, match="there is no such bucket") as caught:
            ask("s3://nobodys/store")
        assert "make it first" in caught.value.hint
    with pytest.raises(StoreError, match="no store here"):
        open_store(bucket)


def test_a_server_that_is_not_there_is_told_and_not_waited_for(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(StoreError, match="the bucket cannot be used") as caught:
        open_store(bucket)
    assert "AWS_ENDPOINT_URL" in caught.value.hint
    assert time.monotonic() - began < 30
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9")
    with pytest.raises(ConfigError, match="no address of a server"):
        open_store(bucket)


def test_another_machine_reads_what_this_one_wrote_and_fetches_it_once(kept, tmp_path, monkeypatch):
    monkeypatch.setenv("RADLAS_HOME", str(tmp_path / "another"))
    there = open_store(str(kept.place))
    assert count(there) == 1
    monkeypatch.setattr(Objects, "stream", None)  # nothing more is fetched
    assert count(there) == 1
    assert len(list(there.place.near.rglob("*.parquet"))) == 1


def test_an_answer_that_is_shorter_than_the_file_is_kept_by_nobody(kept, tmp_path, monkeypatch):
    """Of a proxy, as it may be. It stayed in the cache, and each query blamed the store for it."""
    create_snapshot(kept, "x")
    monkeypatch.setenv("RADLAS_HOME", str(tmp_path / "another"))
    there, stream = open_store(str(kept.place)), Objects.stream

    def shorter(objects, name, take):
        return stream(objects, name, lambda pieces: take([b"".join(map(bytes, pieces))[:-9]]))

    refused = pytest.raises(StoreError, match="holds other bytes than were written")
    with monkeypatch.context() as patch:
        patch.setattr(Objects, "stream", shorter)
        with refused:
            count(there)
        with refused:
            delta.read(there, "cases")
        with pytest.raises(StoreError, match=r"(?s)damaged: .*snapshots/x@1\.json"):
            next(read_snapshots(there))
    assert list(there.place.near.rglob("*part*")) == []
    assert count(there) == 1
    assert next(read_snapshots(there)).label == "x@1"


def test_what_is_cached_is_on_disk_first(kept, tmp_path, monkeypatch):
    """A power cut could leave a part half there, and what has its name is looked at no more."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda held: synced.append(os.fstat(held).st_ino))
    monkeypatch.setenv("RADLAS_HOME", str(tmp_path / "another"))
    there = open_store(str(kept.place))
    assert count(there) == 1
    delta.append(there, "cases", [case_row("b")], run_id="r")
    cached = [path.stat().st_ino for path in there.place.near.rglob("*.parquet")]
    assert len(cached) == 2
    assert set(cached) <= set(synced)


@pytest.mark.parametrize("step", ["staging", "_cache"])
def test_a_disk_of_this_machine_that_is_full_is_told_with_its_folder(
    kept, tmp_path, monkeypatch, step
):
    """There are two: the one for temporary files, and the cache's. Nothing half stays there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    full = tmp_path / "tmp" if step == "staging" else kept.place.near / "lake/cases"
    begun = getattr(Bucket, step)

    @contextmanager
    def prepared_without(*given):
        with begun(*given) as prepared, no_room():
            yield prepared

    def cached_without(*given):
        with no_room():
            begun(*given)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, step, prepared_without if step == "staging" else cached_without)
        with pytest.raises(OSError, match="File too large") as caught:
            delta.append(kept, "cases", [case_row("b")], run_id="r")
    assert caught.value.filename == str(full)
    assert [path for path in full.rglob("*") if path.is_file() and path.name[0] == "."] == []
    assert list(full.rglob("*.partial")) == []
    assert delta.append(kept, "cases", [case_row("b")], run_id="r") == 1


def test_what_a_writer_left_that_was_killed_goes_with_the_next(kept, tmp_path, monkeypatch):
    """It is an image of a patient, or features; on this machine nobody else would remove it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    code = (
        "import os, sys\n"
        "from radlas.places.bucket import Bucket\n"
        "with Bucket(sys.argv[1]).staging('volumes/a') as prepared:\n"
        "    (prepared / 'voxels').write_bytes(b'x')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    with kept.place.staging("volumes/b") as lives:
        subprocess.run([sys.executable, "-c", code, str(kept.place)], check=False)
        (left,) = tmp_path.rglob("voxels")
        delta.append(kept, "cases", [case_row("b")], run_id="r")
        assert not left.exists()
        assert lives.exists()
    (own,) = tmp_path.glob("radlas-*")
    assert own.stat().st_mode & 0o777 == 0o700
    assert list(own.iterdir()) == []


def test_a_folder_of_somebody_elses_is_not_prepared_in(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / f"radlas-{os.getuid()}").symlink_to(tmp_path / "theirs")
    with pytest.raises(StoreError, match="belongs to somebody else"):
        delta.append(kept, "cases", [case_row("b")], run_id="r")
    assert list((tmp_path / "theirs").iterdir()) == []


def test_a_part_that_is_lost_is_named(kept):
    (name,) = part_names(kept, "cases")
    overwrite(kept, name, b"")
    kept.place.remove(name)
    with pytest.raises(StoreError, match="a part cannot be read"):
        delta.read(kept, "cases")


def test_no_credentials_travel_with_a_task(kept):
    assert len(kept.place.names()) > 2
    sent = pickle.dumps(kept.place)
    assert b"test" not in sent.replace(str(kept.place).encode(), b"")
    assert pickle.loads(sent).names() == kept.place.names()  # noqa: S301 - our own


def test_what_belongs_to_the_machine_is_for_its_owner_alone(kept, tmp_path):
    assert kept.key_path.parent == tmp_path / "home"
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_a_lock_runs_out_if_nobody_renews_it(kept, silent, monkeypatch):
    """Its holder was killed: another takes it over, once."""
    monkeypatch.setattr(Bucket, "remove", lambda *_: None)
    with writing(kept, "extract"):
        pass
    with (
        pytest.raises(StoreError, match=f"extract by process {os.getpid()}") as caught,
        writing(kept, "extract"),
    ):
        pass
    assert "or 120 s if it was killed" in caught.value.hint
    silent(kept.place)
    with writing(kept, "extract"):
        pass


def test_an_answer_that_is_lost_on_its_way_locks_nobody_out(kept, monkeypatch):
    """The server did it and could not say so; the client asks again, and is told of its own."""
    put = obstore.put

    def put_twice(*args, **kwargs):
        put(*args, **kwargs)
        return put(*args, **kwargs)

    monkeypatch.setattr(obstore, "put", put_twice)
    for _ in range(2):
        with writing(kept, "extract"):
            assert kept.place.size("locks/extract.json")
    kept.place.create("once", b"mine")
    with pytest.raises(FileExistsError):
        kept.place.create("once", b"another's")


def test_a_write_that_met_another_is_asked_again_and_blames_nobody(
    kept, object_storage, monkeypatch
):
    """S3 says so while a first try of ours is still at work. It read: another run is writing."""
    monkeypatch.setattr(answers, "_PAUSES", (0.01,) * 3)
    place = kept.place

    def lock():
        with writing(kept, "extract"):
            pass

    for write in (
        lock,
        lambda: place.create("once", b"mine"),
        lambda: place.replace("file", b"first"),
        lambda: place.exchange("file", b"second", place.read_tagged("file")[1]),
        lambda: delta.append(kept, "cases", [case_row("b")], run_id="r"),
    ):
        urllib.request.urlopen(f"{object_storage}/busy/1").close()  # noqa: S310 - ours
        write()
    assert (place.read("once"), place.read("file"), count(kept)) == (b"mine", b"second", 2)
    urllib.request.urlopen(f"{object_storage}/busy/99").close()  # noqa: S310 - ours
    with pytest.raises(StoreError, match="409 Conflict: ConditionalRequestConflict: Try again"):
        place.create("never", b"mine")
    urllib.request.urlopen(f"{object_storage}/busy/0").close()  # noqa: S310 - ours
    assert place.size("never") is None


def test_a_lock_that_cannot_be_given_back_makes_no_failure_of_what_was_done(kept, monkeypatch):
    def away(*_):
        raise StoreError("the bucket cannot be used")

    monkeypatch.setattr(Bucket, "remove", away)
    with writing(kept, "extract"):
        pass
    with pytest.raises(ValueError, match="of the run"), writing(kept, "retrain"):
        raise ValueError("of the run")


def test_who_slept_too_long_takes_nobodys_lock_away(kept, monkeypatch):
    """Neither when it renews its own nor when it ends."""
    monkeypatch.setattr(leases, "LEASE", 0.4)
    name, other = "locks/extract.json", b'{"told": "another", "alone": false}'
    with writing(kept, "extract"):
        kept.place.replace(name, other)
        time.sleep(0.5)
        assert kept.place.read(name) == other
    assert kept.place.read(name) == other


def test_a_machine_whose_clock_is_wrong_takes_no_living_run_for_dead(kept, monkeypatch):
    """How old a lock is, the server's clock tells."""
    now, refused = time.time, pytest.raises(StoreError, match="another run is writing: ingest by")
    with writing(kept, "ingest"):
        monkeypatch.setattr(time, "time", lambda: now() + 3600)
        with refused, writing(kept, "ingest"):
            pass
        with refused, writing(kept, "snapshot create", alone=True):
            pass
        assert kept.place.names("locks") == ["locks/ingest.json"]


def test_a_lock_of_a_machine_that_was_ahead_is_of_the_dead_as_soon_as_any(kept, silent):
    kept.place.create("locks/ingest.json", b'{"told": "x", "alone": true, "until": 9e9}')
    silent(kept.place)
    with writing(kept, "ingest"), writing(kept, "extract"):
        pass


def test_a_run_whose_place_another_took_while_it_slept_ends_when_it_wakes(kept, monkeypatch):
    """Two of one kind would do everything twice."""
    monkeypatch.setattr(leases, "LEASE", 0.4)

    def work(number):
        if number == 1:
            kept.place.replace("locks/count.json", b'{"told": "another", "alone": false}')
            time.sleep(0.5)
        return number

    def commit(config, plan, done):
        return Report((), {"done": [one.result for one in done]})

    count = Flow("count", StoreConfig, lambda _: Plan(tasks=(0, 1, 2)), work, commit)
    with pytest.raises(StoreError, match="another run has taken this one's place") as caught:
        count(StoreConfig(store=str(kept.place)))
    assert caught.value.reason == "locked"
    assert kept.place.names("locks") == ["locks/count.json"]


def test_of_two_that_take_a_dead_ones_lock_over_one_is_told(kept, silent, monkeypatch):
    kept.place.create("locks/extract.json", b'{"told": "x", "alone": false}')
    silent(kept.place)
    seen = kept.place.read_tagged("locks/extract.json")
    monkeypatch.setattr(Bucket, "read_tagged", lambda *_: seen)
    with (
        writing(kept, "extract"),
        pytest.raises(StoreError, match="another run is writing"),
        writing(kept, "extract"),
    ):
        pass


def test_a_lock_is_renewed_while_its_holder_lives(kept, silent, monkeypatch):
    monkeypatch.setattr(leases, "LEASE", 0.4)
    with writing(kept, "extract"):
        silent(kept.place)
        time.sleep(1.0)
        monkeypatch.setattr(leases, "LEASE", 120.0)
        with pytest.raises(StoreError, match="another run is writing"), writing(kept, "extract"):
            pass


def test_snapshots_are_fetched_once_however_often_they_are_listed(kept, monkeypatch):
    """A study of years has hundreds, and each would be asked for anew, one after the other."""
    create_snapshot(kept, "x")
    create_snapshot(kept, "y")
    first = [*read_snapshots(kept)]
    with monkeypatch.context() as patch:
        patch.setattr(Objects, "stream", None)
        patch.setattr(Bucket, "read", None)
        assert [*read_snapshots(kept)] == first
    assert [one.label for one in first] == ["x@1", "y@1"]
    text = kept.place.read("snapshots/x@1.json").replace(first[0].created_at.encode(), b"now")
    kept.place.replace("snapshots/x@1.json", text)
    assert [one.created_at for one in read_snapshots(kept)] == ["now", first[1].created_at]


def test_a_bucket_that_lists_names_outside_of_it_removes_and_writes_nothing_here(kept, monkeypatch):
    """Its cache is made of those names, and a server lists what it likes."""
    thesis = kept.place.near.parent / "thesis.txt"
    thesis.parent.mkdir(parents=True, exist_ok=True)
    thesis.write_text("two years of work", encoding="utf-8")
    monkeypatch.setattr(Objects, "tags", lambda *_: {"models/../../thesis.txt": "tag"})
    monkeypatch.setattr(Objects, "stream", lambda _, name, take: take([b"evil"]))
    with pytest.raises(StoreError, match="a name in it leads out of it"):
        kept.place.fetched("models")
    with pytest.raises(StoreError, match="a name in it leads out of it"):
        kept.place.local(["models/../../thesis.txt"])
    assert thesis.read_text(encoding="utf-8") == "two years of work"
