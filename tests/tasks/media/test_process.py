import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.domain.errors import (
    DiskFullError,
    EncodeFailedError,
    EncoderKilledError,
    EncoderStalledError,
    TimeLimitError,
    ToolMissingError,
)
from tasks.media.process import Limits, Progress, run_ffmpeg, run_tool
from tasks.media.tools import Toolset, find_tools

ROOT = Path(__file__).parents[3]
SOURCE = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d={}")
ENDLESS = ("-re", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25", "-f", "null", "-")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def living(run_id: str) -> list[int]:
    """Return the processes, zombies aside, that carry the run's mark."""
    mark = f"DAILIES_RUN_ID={run_id}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def wait_until(predicate: Callable[[], bool], description: str, timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not predicate():
        assert time.monotonic() < deadline, f"in vain: {description}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def tools() -> Toolset:
    return find_tools()


@pytest.fixture
def run_id() -> str:
    return uuid.uuid4().hex


@pytest.fixture(autouse=True)
def leaves_nothing_behind(run_id: str) -> Iterator[None]:
    yield
    assert living(run_id) == []


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "tool.log"


def encode(seconds: float, target: Path) -> list[str]:
    return [part.format(seconds) for part in SOURCE] + ["-c:v", "libx264", "-preset", "ultrafast", str(target)]


def test_an_encode_reports_progress_that_rises_to_one(tools: Toolset, log: Path, tmp_path: Path, run_id: str) -> None:
    reports: list[Progress] = []
    arguments = ["-readrate", "2", *encode(3, tmp_path / "out.mp4")]

    outcome = run_ffmpeg(
        arguments, tools=tools, log_path=log, expected_seconds=3, on_progress=reports.append, run_id=run_id
    )

    shares = [report.share for report in reports]
    assert len(shares) >= 2
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=0.02)
    assert outcome.last_progress == reports[-1]
    assert outcome.last_progress.frame_count == 75
    assert outcome.wall_seconds > 0
    assert outcome.cpu_seconds > 0
    assert "libx264" in outcome.stderr_path.read_text()


def test_an_input_that_ffmpeg_refuses_fails_with_its_last_words(tools: Toolset, log: Path, run_id: str) -> None:
    with pytest.raises(EncodeFailedError, match="No such file") as caught:
        run_ffmpeg(["-i", "/nowhere.mp4", "-f", "null", "-"], tools=tools, log_path=log, run_id=run_id)

    assert "/nowhere.mp4" in str(caught.value.facts["stderr_tail"])
    assert not caught.value.retryable


def test_a_full_disk_is_told_from_a_bad_input(tools: Toolset, log: Path, run_id: str) -> None:
    arguments = ["-f", "lavfi", "-i", "testsrc2=s=640x360:d=5", "-f", "rawvideo", "/dev/full"]

    with pytest.raises(DiskFullError):
        run_ffmpeg(arguments, tools=tools, log_path=log, run_id=run_id)


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")]
)
def test_an_encoder_that_a_signal_ends_is_named_and_retryable(
    number: signal.Signals, name: str, tools: Toolset, log: Path, run_id: str
) -> None:
    def strike(_: Progress) -> None:
        for pid in living(run_id):  # none when this is its last report
            os.kill(pid, number)

    with pytest.raises(EncoderKilledError, match=name) as caught:
        run_ffmpeg(ENDLESS, tools=tools, log_path=log, on_progress=strike, run_id=run_id)

    assert caught.value.retryable


def test_an_input_that_never_delivers_is_a_stall(tools: Toolset, log: Path, tmp_path: Path, run_id: str) -> None:
    fifo = tmp_path / "never.h264"
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR)
    try:
        with pytest.raises(EncoderStalledError):
            run_ffmpeg(
                ["-i", str(fifo), "-f", "null", "-"],
                tools=tools,
                log_path=log,
                limits=Limits(stall_seconds=1.0, kill_grace_seconds=2.0),
                run_id=run_id,
            )
    finally:
        os.close(writer)


def test_a_stopped_encoder_is_a_stall_even_after_progress(tools: Toolset, log: Path, run_id: str) -> None:
    def freeze(_: Progress) -> None:
        os.kill(living(run_id)[0], signal.SIGSTOP)

    with pytest.raises(EncoderStalledError) as caught:
        run_ffmpeg(
            ENDLESS,
            tools=tools,
            log_path=log,
            limits=Limits(stall_seconds=1.0, kill_grace_seconds=1.0),
            on_progress=freeze,
            run_id=run_id,
        )

    assert caught.value.retryable


def test_a_tool_that_only_computes_is_not_stalled(log: Path, run_id: str) -> None:
    busy = "import time; end = time.monotonic() + 2\nwhile time.monotonic() < end: pass"

    outcome = run_tool([sys.executable, "-c", busy], log_path=log, limits=Limits(stall_seconds=1.0), run_id=run_id)

    assert outcome.last_progress is None


def test_a_tool_that_sleeps_for_ever_is_stalled(log: Path, run_id: str) -> None:
    with pytest.raises(EncoderStalledError):
        run_tool(["sleep", "600"], log_path=log, limits=Limits(stall_seconds=0.7), run_id=run_id)


def test_at_the_soft_limit_the_encoder_is_asked_to_end(tools: Toolset, log: Path, run_id: str) -> None:
    with pytest.raises(TimeLimitError, match="soft") as caught:
        run_ffmpeg(ENDLESS, tools=tools, log_path=log, limits=Limits(soft_seconds=0.7), run_id=run_id)

    assert "received signal 15" in log.read_text()
    assert not caught.value.retryable


def test_at_the_hard_limit_a_tool_that_does_not_listen_is_killed(log: Path, run_id: str) -> None:
    deaf = ["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"]

    with pytest.raises(TimeLimitError, match="hard"):
        run_tool(
            deaf,
            log_path=log,
            limits=Limits(soft_seconds=0.3, hard_seconds=0.8, kill_grace_seconds=1.0),
            run_id=run_id,
        )


class RefusalError(Exception):
    pass


@pytest.mark.parametrize("kind", [RefusalError, KeyboardInterrupt, SystemExit])
def test_what_the_callback_raises_ends_the_encoder_first(
    kind: type[BaseException], tools: Toolset, log: Path, run_id: str
) -> None:
    def refuse(_: Progress) -> None:
        raise kind

    with pytest.raises(kind):
        run_ffmpeg(ENDLESS, tools=tools, log_path=log, on_progress=refuse, run_id=run_id)

    assert living(run_id) == []


def test_grandchildren_go_with_a_tool_that_is_ended(log: Path, run_id: str) -> None:
    family = ["sh", "-c", "(trap '' TERM; sleep 600) & sleep 600 & wait"]

    with pytest.raises(TimeLimitError):
        run_tool(family, log_path=log, limits=Limits(hard_seconds=0.5, kill_grace_seconds=1.0), run_id=run_id)

    assert living(run_id) == []


def test_grandchildren_go_with_a_tool_that_ends_well(log: Path, run_id: str) -> None:
    run_tool(["sh", "-c", "sleep 600 & exit 0"], log_path=log, run_id=run_id)

    assert living(run_id) == []


def test_grandchildren_that_hold_the_progress_pipe_do_not_keep_us(tools: Toolset, log: Path, run_id: str) -> None:
    wrapper = log.parent / "wrapper"
    log.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nsleep 600 &\nexec "{tools.ffmpeg}" "$@"\n')
    wrapper.chmod(0o755)
    wrapped = Toolset(wrapper, tools.ffprobe, tools.packager, "", "", "")

    outcome = run_ffmpeg(
        ["-f", "lavfi", "-i", "testsrc2=d=0.2", "-f", "null", "-"], tools=wrapped, log_path=log, run_id=run_id
    )

    assert outcome.last_progress is not None


def test_an_encoder_that_ends_well_without_saying_so_was_interrupted(tools: Toolset, log: Path, run_id: str) -> None:
    with pytest.raises(EncoderKilledError, match="without having come to its end"):
        run_ffmpeg(["-version"], tools=Toolset(Path("/bin/true"), *tools_rest(tools)), log_path=log, run_id=run_id)


def tools_rest(tools: Toolset) -> tuple[Path, Path, str, str, str]:
    return tools.ffprobe, tools.packager, "", "", ""


def test_a_chatty_tool_neither_blocks_nor_floods_the_outcome(log: Path, run_id: str) -> None:
    chatter = "head -c 20000000 /dev/zero | tr '\\0' x >&2; printf '\\033[31mred\\007\\r\\nlast words' >&2"

    outcome = run_tool(["sh", "-c", chatter], log_path=log, run_id=run_id)

    assert log.stat().st_size > 20_000_000
    assert len(outcome.stderr_tail) <= 4096
    assert outcome.stderr_tail.endswith("[31mred\n\nlast words")


def test_standard_output_can_go_to_a_file_of_its_own(log: Path, tmp_path: Path, run_id: str) -> None:
    answer = tmp_path / "answer"

    run_tool(["sh", "-c", "echo out; echo err >&2"], log_path=log, stdout_path=answer, run_id=run_id)

    assert (answer.read_text(), log.read_text()) == ("out\n", "err\n")


def test_a_program_that_is_not_there_is_a_missing_tool(log: Path) -> None:
    with pytest.raises(ToolMissingError):
        run_tool(["no-such-program"], log_path=log)


def test_a_worker_thread_may_run_a_tool(tools: Toolset, log: Path, tmp_path: Path, run_id: str) -> None:
    frames: list[int] = []

    def work() -> None:
        outcome = run_ffmpeg(encode(1, tmp_path / "out.mp4"), tools=tools, log_path=log, run_id=run_id)
        frames.append(outcome.last_progress.frame_count if outcome.last_progress else 0)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert frames == [25]


PARENT = """
import signal, sys
from pathlib import Path
from tasks.media.process import run_ffmpeg
from tasks.media.tools import find_tools

class Termination(BaseException):
    pass

def terminate(*_):
    raise Termination

signal.signal(signal.SIGTERM, terminate)
try:
    run_ffmpeg(
        {arguments!r},
        tools=find_tools(),
        log_path=Path({log!r}),
        run_id={run_id!r},
        on_progress=lambda _: print("on", flush=True),
    )
except Termination:
    print("raised on", flush=True)
"""


@pytest.fixture(params=[True, False], ids=["setpriv", "no-setpriv"])
def parent(request: pytest.FixtureRequest, log: Path, run_id: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another Python process that has an encoder running."""
    code = PARENT.format(arguments=list(ENDLESS), log=str(log), run_id=run_id)
    environment = {**os.environ, "PATH": os.environ["PATH"] if request.param else str(tmp_path)}
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "on\n"
        assert living(run_id) != []
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_an_encoder_dies_with_a_parent_that_is_killed(parent: subprocess.Popen[str], run_id: str) -> None:
    parent.kill()
    parent.wait()

    wait_until(lambda: living(run_id) == [], "the encoder to vanish")


def test_a_signal_that_becomes_an_exception_ends_the_encoder_and_is_raised_on(
    parent: subprocess.Popen[str], run_id: str
) -> None:
    parent.terminate()
    said, _ = parent.communicate(timeout=20)

    assert said.endswith("raised on\n")
    assert parent.returncode == 0
    assert living(run_id) == []


def test_ffmpeg_reads_what_is_piped_to_it(tools: Toolset, log: Path, tmp_path: Path, run_id: str) -> None:
    reading, writing = os.pipe()
    os.write(writing, bytes(16 * 16 * 3 * 5))  # five black frames fit into a pipe
    os.close(writing)
    raw = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", "16x16", "-i", "pipe:0"]
    try:
        done = run_ffmpeg([*raw, "-f", "null", "-"], tools=tools, log_path=log, run_id=run_id, stdin=reading)
    finally:
        os.close(reading)

    assert done.last_progress is not None
    assert done.last_progress.frame_count == 5
