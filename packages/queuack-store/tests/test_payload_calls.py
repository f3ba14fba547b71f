"""Calls and results as bytes: by name, by value, as JSON, and the errors that name what is wrong."""

from __future__ import annotations

import functools
import math
import os
import pickle
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest
from queuack_store import PayloadError, callables, payload
from queuack_store.decorators import JobFunction
from queuack_store.payload import CallEncoder, decode_call, decode_result, encode_call, encode_result


def double(x: int) -> int:
    return 2 * x


def shouting(func: Any) -> Any:
    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> str:
        return str(func(*args, **kwargs)).upper()

    return wrapper


@shouting
def greet(name: str) -> str:
    return f"hello {name}"


class Thing:
    def __init__(self, value: int) -> None:
        self.value = value

    def add(self, x: int) -> int:
        return self.value + x

    @staticmethod
    def static(x: int) -> int:
        return x

    @classmethod
    def named(cls) -> str:
        return cls.__name__


def run(task: str, body: bytes, **options: Any) -> Any:
    func, args, kwargs = decode_call(task, body, **options)
    return func(*args, **kwargs)


def test_a_module_level_function_goes_by_name() -> None:
    task, body = encode_call(double, (21,))
    assert task == f"{__name__}:double"
    assert decode_call(task, body) == (double, (21,), {})
    assert b"double" not in body


@pytest.mark.parametrize(
    ("func", "args", "kwargs", "expected"),
    [
        (math.sqrt, (16,), None, 4.0),
        (len, ("abc",), None, 3),
        (int, ("ff",), {"base": 16}, 255),
        (Thing.static, (5,), None, 5),
        (Thing.named, (), None, "Thing"),
        (Thing(1).add, (2,), None, 3),
        (functools.partial(double, 4), (), None, 8),
        (lambda x: x + 1, (1,), None, 2),
    ],
)
def test_every_kind_of_callable_comes_back(func: Any, args: Any, kwargs: Any, expected: Any) -> None:
    assert run(*encode_call(func, args, kwargs)) == expected


def test_a_closure_goes_by_value() -> None:
    factor = 3

    def times(x: int) -> int:
        return x * factor

    task, body = encode_call(times, (5,))
    factor = 100
    assert run(task, body) == 15
    assert "times" in task


def test_a_decorated_function_and_what_is_inside_it_both_resolve() -> None:
    assert run(*encode_call(greet, ("ann",))) == "HELLO ANN"
    assert run(*encode_call(greet.__wrapped__, ("ann",))) == "hello ann"
    assert encode_call(greet.__wrapped__)[1][:1] == b"W"


def test_a_function_that_was_replaced_in_its_module_goes_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    original = double
    encode_call(original, (1,))  # its name is remembered now
    monkeypatch.setattr(sys.modules[__name__], "double", lambda x: "other")
    assert run(*encode_call(original, (4,))) == 8


def test_a_job_function_goes_by_name_and_as_an_argument_leaves_its_queue_behind() -> None:
    local = JobFunction(lambda x: x + 1, None, {"lock": threading.Lock()})  # type: ignore[arg-type]
    _func, args, _kwargs = decode_call(*encode_call(double, (local,)))
    assert args[0](1) == 2


def test_one_batch_pickles_a_function_once() -> None:
    encoder = CallEncoder()
    bodies = [encoder.encode(lambda_, (i,), None) for i in range(3) for lambda_ in [_lambda]]
    assert [run(*body) for body in bodies] == [0, 1, 2]


_lambda = lambda x: x  # noqa: E731


def test_an_argument_that_cannot_be_pickled_is_named() -> None:
    with pytest.raises(PayloadError, match=r"argument 1 of .*double \(a lock\) can't be pickled: TypeError"):
        encode_call(double, (1, threading.Lock()))
    with pytest.raises(PayloadError, match=r"argument 'gate' of .*\(a generator\)") as caught:
        encode_call(double, (1,), {"fine": 1, "gate": (i for i in ())})
    assert caught.value.facts["argument"] == "gate"


def test_a_function_that_cannot_be_sent_says_so() -> None:
    lock = threading.Lock()
    with pytest.raises(PayloadError, match="can't be sent by value: TypeError"):
        encode_call(lambda: lock)
    with pytest.raises(PayloadError, match="not callable"):
        encode_call(42)  # type: ignore[arg-type]


def test_a_function_that_is_gone_names_module_name_and_path() -> None:
    body = pickle.dumps(((), None), 5)
    with pytest.raises(PayloadError, match=r"no_such_module:f can't be found: .*sys\.path is"):
        decode_call("no_such_module:f", body)
    with pytest.raises(PayloadError, match=r"math:no_such can't be found: module 'math' .* has no 'no_such'"):
        decode_call("math:no_such", body)


def test_a_module_that_exits_while_it_is_imported_fails_the_call_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exits_at_import.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PayloadError, match="SystemExit: 3"):
        decode_call("exits_at_import:f", pickle.dumps(((), None), 5))


def test_bytes_of_no_known_form_are_refused() -> None:
    for body in (b"", b"?", b"Vshort", b"\x80\x05garbage"):
        with pytest.raises(PayloadError):
            decode_call(f"{__name__}:double", body)


SCRIPT = """
import sys, json, pathlib
from queuack_store import payload
seen = []
class Point:
    def __init__(self, x): self.x = x
def note(p): seen.append(p.x); return len(seen)
def helper(x): return x * 10
def uses(x): return helper(x)
if __name__ == "__main__":
    task, body = payload.encode_call(note, (Point(1),))
    func, args, kwargs = payload.decode_call(task, body)
    func(*args); func(*args)
    print(json.dumps([func is note, type(args[0]) is Point, seen]))
    bodies = [payload.encode_call(note, (Point(7),)), payload.encode_call(uses, (4,))]
    bodies.append(payload.encode_call(lambda: helper(5)))
    pathlib.Path(sys.argv[1]).write_text(json.dumps([[t, b.hex()] for t, b in bodies]))
"""


def test_functions_of_a_script_are_live_at_home_and_by_value_elsewhere(tmp_path: Path) -> None:
    script, out = tmp_path / "script.py", tmp_path / "out.json"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, out], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "[true, true, [1, 1]]"
    import json

    results = [run(task, bytes.fromhex(body)) for task, body in json.loads(out.read_text())]
    assert results == [3, 40, 50]  # `seen` held two notes when it was sent
    task, body = json.loads(out.read_text())[0]
    assert task == "__main__:note"
    assert run(task, bytes.fromhex(body)) == 3  # each call has a `seen` of its own


def test_a_forked_process_has_a_token_of_its_own() -> None:
    mine = callables.process_token()
    assert mine == callables.process_token()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, callables.process_token())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 16) != mine
    os.close(reading), os.close(writing)


def test_results_round_trip() -> None:
    assert encode_result(None) is None
    assert decode_result(None) is None
    for value in (0, "", {"a": (1, 2)}, b"\0", Thing):
        assert decode_result(encode_result(value)) == value
    assert decode_result(encode_result(lambda x: x + 1))(1) == 2  # type: ignore[arg-type]


def test_a_result_that_cannot_be_pickled_says_to_return_a_path() -> None:
    with pytest.raises(PayloadError, match=r"the result of m:f \(a lock\) .* return a path"):
        encode_result(threading.Lock(), task="m:f")


class TestJsonRef:
    """Functions by name, arguments as JSON, and never a pickle."""

    @pytest.mark.parametrize(
        "value",
        [None, True, 0, -1, 2**63, 10**400, 1.5, -0.0, 1e308, "", "é\0\u2028", [], {}, [{"a": [None]}]],
        ids=range(14),
    )
    def test_what_json_carries_comes_back_the_same(self, value: Any) -> None:
        task, body = encode_call(double, (value,), {"key": value}, payload.JSON_REF)
        func, args, kwargs = decode_call(task, body, payload.JSON_REF)
        assert (func, repr(args), repr(kwargs)) == (double, repr((value,)), repr({"key": value}))
        assert repr(decode_result(encode_result(value, payload.JSON_REF), payload.JSON_REF)) == repr(value)

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            ((1,), "tuple"),
            ({1}, "set"),
            (b"x", "bytes"),
            (math.nan, "nan"),
            (math.inf, "inf"),
            ({1: 2}, "keys are strings"),
            ("\ud800", "surrogate"),
            ({"\ud800": 1}, "surrogate"),
            (10**5_000, "digits"),
            (types.SimpleNamespace(), "SimpleNamespace"),
            (callables.SCRIPT_MODULES, "frozenset"),
        ],
        ids=range(11),
    )
    def test_what_json_cannot_carry_is_refused_by_its_place(self, value: Any, reason: str) -> None:
        with pytest.raises(PayloadError, match=rf"argument 1 of .* at \[0\]\['deep'\] .*{reason}"):
            encode_call(double, (1, [{"deep": value}]), None, payload.JSON_REF)
        with pytest.raises(PayloadError, match=reason):
            encode_result(value, payload.JSON_REF)

    def test_subclasses_of_plain_types_are_refused(self) -> None:
        import collections
        import enum

        class Colour(enum.IntEnum):
            RED = 1

        for value in (Colour.RED, collections.OrderedDict(), type("S", (str,), {})("x")):
            with pytest.raises(PayloadError, match="is no JSON value"):
                encode_call(double, (value,), None, payload.JSON_REF)

    def test_nesting_has_a_bound_and_a_loop_is_found(self) -> None:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        loop: list[Any] = []
        loop.append(loop)
        for value in (deep, loop):
            with pytest.raises(PayloadError, match="nested deeper than"):
                encode_call(double, (value,), None, payload.JSON_REF)

    def test_a_function_without_a_name_is_refused(self) -> None:
        def local() -> None: ...

        for func in (local, lambda: 1, functools.partial(double, 1), Thing(1).add, greet.__wrapped__):
            with pytest.raises(PayloadError, match="has none that other processes can import"):
                encode_call(func, (), None, payload.JSON_REF)

    def test_a_pickle_is_refused_without_being_unpickled(self) -> None:
        class Bomb:
            def __reduce__(self) -> Any:
                return (pytest.fail, ("it was unpickled",))

        for task, body in (
            (f"{__name__}:double", pickle.dumps(((Bomb(),), None), 5)),
            encode_call(greet.__wrapped__),
            encode_call(lambda: 1),
        ):
            with pytest.raises(PayloadError, match="never unpickles"):
                decode_call(task, body, payload.JSON_REF)
        with pytest.raises(PayloadError, match="never unpickles"):
            decode_result(pickle.dumps(Bomb(), 5), payload.JSON_REF)

    def test_a_pickle_queue_runs_json_jobs(self) -> None:
        assert run(*encode_call(double, (4,), None, payload.JSON_REF)) == 8

    def test_allowed_modules_name_themselves_and_what_is_below(self) -> None:
        body = b'J[["/tmp"],{}]'
        with pytest.raises(PayloadError, match=r"allowed_modules is \['shutil'\]"):
            decode_call("os.path:join", body, payload.JSON_REF, ("shutil",))
        decode_call("json.decoder:JSONDecoder", b"J[[],{}]", payload.JSON_REF, ("json",))
        with pytest.raises(PayloadError, match="is not allowed here"):
            decode_call("jsonx:f", body, payload.JSON_REF, ("json",))

    @pytest.mark.parametrize(
        "task",
        [
            "shutil:os.system",
            "shutil:rmtree.__class__",
            "shutil:__dict__.x",
            "logging:time.time",
            "shutil:",
            "shutil:no-name",
            "json:loads.x",
            "functools:namedtuple",
        ],
    )
    def test_a_name_reaches_only_what_its_module_defines(self, task: str) -> None:
        with pytest.raises(PayloadError):
            decode_call(task, b"J[[],{}]", payload.JSON_REF, (task.partition(":")[0],))

    def test_no_json_is_an_error_of_its_own(self) -> None:
        for body in (b"J", b"J{}", b"J[1]", b"J[[" + b"[" * 100_000, b"J\xff", b"J[1,2]"):
            with pytest.raises(PayloadError, match="no JSON call"):
                decode_call(f"{__name__}:double", body, payload.JSON_REF)

    def test_python_m_gives_a_script_a_name(self, tmp_path: Path) -> None:
        (tmp_path / "runnable_part.py").write_text(
            "from queuack_store import payload\n"
            "def f(x): return x\n"
            "if __name__ == '__main__':\n"
            "    task, body = payload.encode_call(f, (1,), None, 'json_ref')\n"
            "    print(task, payload.decode_call(task, body, 'json_ref')[0] is f)\n"
        )
        named = subprocess.run(
            [sys.executable, "-m", "runnable_part"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert named.stdout.split() == ["runnable_part:f", "True"]
        plain = subprocess.run(
            [sys.executable, "runnable_part.py"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert "has none that other processes can import" in plain.stderr
