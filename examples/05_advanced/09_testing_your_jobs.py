"""Tests of code that enqueues: the fixture `queuack_queue` runs jobs and moves time when the test says so.

pytest 09_testing_your_jobs.py
"""

import sys

import pytest


def order(queue, what: str) -> str:
    queue.enqueue(remind, args=(what,), delay_seconds=86_400)
    return queue.enqueue(ship, args=(what,), queue="mail")


def ship(what: str) -> str:
    return f"shipped {what}"


def remind(what: str) -> str:
    return f"do you like {what}?"


def test_an_order_is_shipped(queuack_queue) -> None:
    job = order(queuack_queue, "a duck")
    queuack_queue.assert_enqueued(ship, args=("a duck",), queue="mail")
    assert queuack_queue.drain() == 1  # the reminder is for tomorrow
    assert queuack_queue.get_result(job) == "shipped a duck"


def test_a_reminder_follows_after_a_day(queuack_queue) -> None:
    order(queuack_queue, "a duck")
    queuack_queue.drain()
    queuack_queue.advance(86_400)
    assert queuack_queue.drain() == 1


def test_mistakes_are_not_hidden(queuack_queue) -> None:
    queuack_queue.enqueue(ship)  # an argument is missing
    with pytest.raises(Exception, match="missing 1 required positional argument"):
        queuack_queue.drain()


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", __file__]))

# Output:
# ...…
# 3 passed in …
