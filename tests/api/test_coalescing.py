import asyncio
from collections.abc import Sequence

from api import coalescing
from api.coalescing import CoalescedReads


class Source:
    """Counts the reads, and answers when it is let go."""

    def __init__(self) -> None:
        self.reads: list[list[int]] = []
        self.value = 0
        self.go = asyncio.Event()
        self.go.set()

    async def read(self, keys: Sequence[int]) -> dict[int, int]:
        self.reads.append(list(keys))
        seen = self.value
        await self.go.wait()
        return {key: seen + key for key in keys if key < 900}


def test_those_who_ask_together_share_one_read() -> None:
    async def story() -> None:
        source = Source()
        reads = CoalescedReads(source.read, keep_seconds=0)

        assert await asyncio.gather(*(reads.get(key) for key in (1, 2, 1, 999, 2))) == [1, 2, 1, None, 2]
        assert source.reads == [[1, 2, 999]]

    asyncio.run(story())


def test_without_keeping_who_comes_later_learns_what_is_new() -> None:
    async def story() -> None:
        source = Source()
        source.go.clear()
        reads = CoalescedReads(source.read, keep_seconds=0)
        first = asyncio.create_task(reads.get(1))
        await asyncio.sleep(0.01)
        source.value = 100
        second = asyncio.create_task(reads.get(1))
        await asyncio.sleep(0.01)
        source.go.set()

        assert (await first, await second) == (1, 101)

    asyncio.run(story())


def test_a_value_is_told_again_until_it_is_too_old_or_forgotten() -> None:
    async def story() -> None:
        source = Source()
        reads = CoalescedReads(source.read, keep_seconds=0.2)
        assert await reads.get(1) == 1
        source.value = 100
        assert await reads.get(1) == 1
        reads.forget(1)
        assert await reads.get(1) == 101
        source.value = 200
        await asyncio.sleep(0.25)
        assert await reads.get(1) == 201
        await reads.close()

    asyncio.run(story())


def test_what_was_forgotten_while_it_was_read_is_not_kept() -> None:
    async def story() -> None:
        source = Source()
        source.go.clear()
        reads = CoalescedReads(source.read, keep_seconds=10)
        first = asyncio.create_task(reads.get(1))
        await asyncio.sleep(0.01)
        source.value = 100
        reads.forget(1)
        second = asyncio.create_task(reads.get(1))
        await asyncio.sleep(0.01)
        source.go.set()

        assert (await first, await second, await reads.get(1)) == (1, 101, 101)
        await reads.close()

    asyncio.run(story())


def test_everybody_who_waits_hears_of_a_failure_and_the_next_one_tries_again() -> None:
    async def story() -> None:
        fails = [True]

        async def read(keys: Sequence[int]) -> dict[int, int]:
            if fails.pop():
                raise ConnectionError("away")
            return {key: key for key in keys}

        fails.insert(0, False)
        reads = CoalescedReads(read, keep_seconds=10)
        answers = await asyncio.gather(reads.get(1), reads.get(2), return_exceptions=True)

        assert [type(answer) for answer in answers] == [ConnectionError, ConnectionError]
        assert await reads.get(1) == 1
        await reads.close()

    asyncio.run(story())


def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    async def story() -> None:
        source = Source()
        source.go.clear()
        reads = CoalescedReads(source.read, keep_seconds=0)
        leaver, stayer = asyncio.create_task(reads.get(1)), asyncio.create_task(reads.get(1))
        await asyncio.sleep(0.01)
        leaver.cancel()
        source.go.set()

        assert await stayer == 1

    asyncio.run(story())


def test_a_crowd_does_not_wait_and_is_not_read_for_once_it_is_gone() -> None:
    async def story() -> None:
        source = Source()
        reads = CoalescedReads(source.read, keep_seconds=0.2)
        for turn in range(40):
            source.value = turn
            await asyncio.gather(*(reads.get(key) for key in range(coalescing.CROWD)))
            await asyncio.sleep(0.01)
        assert len(source.reads) < 20
        await asyncio.sleep(0.5)
        count = len(source.reads)
        await asyncio.sleep(0.5)

        assert len(source.reads) == count
        await reads.close()

    asyncio.run(story())


def test_a_crowd_is_told_what_was_known_while_it_is_read_again() -> None:
    async def story() -> None:
        source = Source()
        reads = CoalescedReads(source.read, keep_seconds=1)
        clock = asyncio.get_running_loop().time

        async def ask(seconds: float) -> list[int | None]:
            told: list[int | None] = []
            until = clock() + seconds
            while clock() < until:
                told += await asyncio.gather(*(reads.get(1) for _ in range(coalescing.CROWD)))
                await asyncio.sleep(0.02)
            return told

        await ask(0.8)  # by now they are known as a crowd
        source.go.clear()
        source.value = 100
        asyncio.get_running_loop().call_later(5, source.go.set)  # a machine that stands still must not hang the test
        told = await ask(1.0)
        assert set(told) == {1}
        source.go.set()
        await asyncio.sleep(0.1)
        await ask(0.7)

        assert await reads.get(1) == 101
        await reads.close()

    asyncio.run(story())


def test_a_crowd_that_comes_back_has_all_that_it_asked_for_read_at_once() -> None:
    async def story() -> None:
        source = Source()
        reads = CoalescedReads(source.read, keep_seconds=0.2)
        for _ in range(8):
            await asyncio.gather(*(reads.get(key) for key in range(coalescing.CROWD)))
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        source.reads.clear()
        await reads.get(3)
        assert [sorted(keys) for keys in source.reads] == [list(range(coalescing.CROWD))]
        await asyncio.sleep(0.5)
        source.reads.clear()

        await reads.get(3)
        assert source.reads == [[3]], "one who stayed is no crowd"
        await reads.close()

    asyncio.run(story())


def test_who_asks_alone_waits_for_what_is_new() -> None:
    async def story() -> None:
        source = Source()
        reads = CoalescedReads(source.read, keep_seconds=0.1)
        for turn in range(3):
            source.value = turn * 100

            assert await reads.get(1) == turn * 100 + 1
            await asyncio.sleep(0.12)
        await reads.close()

    asyncio.run(story())


def test_what_no_longer_changes_is_told_for_longer_but_not_after_it_was_forgotten() -> None:
    async def story() -> None:
        source = Source()
        reads = CoalescedReads(source.read, keep_seconds=0.1, is_settled=lambda value: value == 1)
        assert (await reads.get(1), await reads.get(2)) == (1, 2)
        await asyncio.sleep(0.15)
        source.value = 100
        assert (await reads.get(1), await reads.get(2)) == (1, 102)
        reads.forget(1)

        assert await reads.get(1) == 101
        await reads.close()

    asyncio.run(story())


def test_what_the_caller_has_learnt_is_not_read_and_what_was_being_read_does_not_replace_it() -> None:
    async def story() -> None:
        source = Source()
        source.go.clear()
        reads = CoalescedReads(source.read, keep_seconds=10)
        first = asyncio.create_task(reads.get(1))
        await asyncio.sleep(0.01)
        reads.learn(1, 7)
        source.go.set()

        assert (await first, await reads.get(1)) == (1, 7)
        await reads.close()

    asyncio.run(story())


def test_what_was_known_lately_is_told_without_a_read() -> None:
    async def story() -> None:
        source = Source()
        reads = CoalescedReads(source.read, keep_seconds=1)
        assert reads.lately(1) is None
        await reads.get(1)
        await asyncio.sleep(1.05)
        assert reads.lately(1) == 1
        await asyncio.sleep(1)

        assert reads.lately(1) is None
        assert source.reads == [[1]]
        await reads.close()

    asyncio.run(story())


def test_of_more_than_may_be_kept_the_first_ones_are_dropped() -> None:
    async def story() -> None:
        source = Source()
        reads = CoalescedReads(source.read, keep_seconds=10, most_kept=2)
        for key in (1, 2, 3, 2, 3, 1):
            await reads.get(key)

        assert source.reads == [[1], [2], [3], [1]]
        await reads.close()

    asyncio.run(story())


def test_what_nobody_will_ask_for_again_is_not_read_again_for_a_crowd() -> None:
    async def story() -> None:
        source = Source()
        reads = CoalescedReads(source.read, keep_seconds=0.2, is_asked_again=lambda key: key == 1, crowd=2)
        for place in range(40):
            await asyncio.gather(reads.get(1), reads.get(2 + place))
            await asyncio.sleep(0.01)
        read = [key for keys in source.reads for key in keys]

        assert read.count(1) > 1
        assert sorted(key for key in read if key != 1) == list(range(2, 42))
        await reads.close()

    asyncio.run(story())


def test_for_a_crowd_no_more_is_read_again_than_is_kept() -> None:
    async def story() -> None:
        source = Source()
        reads = CoalescedReads(source.read, keep_seconds=0.2, crowd=2, most_kept=2)
        await asyncio.gather(*(reads.get(key) for key in range(20)))
        asked = sum(map(len, source.reads))
        await asyncio.sleep(0.15)

        assert asked == 20
        assert sum(map(len, source.reads)) <= asked + 2
        await reads.close()

    asyncio.run(story())
