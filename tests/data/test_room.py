"""Pictures wait for room, and a picture that is larger than the room does not wait for ever."""

from __future__ import annotations

from threading import Thread

from nasflow.data.room import Room


def test_a_picture_waits_until_there_is_room() -> None:
    room, order = Room(10), []

    def later() -> None:
        with room.taken(7):
            order.append("second")

    with room.taken(100):  # alone, whatever its size
        thread = Thread(target=later)
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
