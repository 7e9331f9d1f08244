import pytest

from m3w.trainer.data.order import SampleAddress, SampleOrder, permute


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 17, 64, 100, 257])
def test_permute_moves_every_index_to_a_place_of_its_own(size):
    assert sorted(permute(index, size, key=7) for index in range(size)) == list(range(size))


def test_permutations_of_different_keys_differ_and_are_not_the_identity():
    orders = {tuple(permute(index, 50, key) for index in range(50)) for key in range(20)}
    assert len(orders) == 20
    assert tuple(range(50)) not in orders


def test_permute_sends_an_index_everywhere_about_equally_often():
    places = [permute(3, 10, key) for key in range(2000)]
    assert all(140 < places.count(place) < 260 for place in range(10))


def test_an_epoch_holds_every_sample_once():
    order = SampleOrder((3, 0, 5, 1), seed=1, shards_per_block=2)
    for epoch in range(3):
        seen = [order.address(position) for position in range(epoch * 9, epoch * 9 + 9)]
        expected = {SampleAddress(shard, row) for shard, size in ((0, 3), (2, 5), (3, 1)) for row in range(size)}
        assert len(seen) == 9
        assert set(seen) == expected


def test_epochs_and_seeds_have_orders_of_their_own():
    def epoch(seed: int, number: int) -> list[SampleAddress]:
        order = SampleOrder((20, 20), seed=seed)
        return [order.address(position) for position in range(number * 40, number * 40 + 40)]

    assert epoch(0, 0) != epoch(0, 1)
    assert epoch(0, 0) != epoch(1, 0)
    assert epoch(5, 2) == epoch(5, 2)


def test_a_block_is_left_only_when_its_shards_are_read():
    order = SampleOrder((4,) * 6, seed=3, shards_per_block=2)
    shards = [order.address(position).shard for position in range(24)]
    blocks = [set(shards[start : start + 8]) for start in (0, 8, 16)]
    assert [len(block) for block in blocks] == [2, 2, 2]
    assert set.union(*blocks) == set(range(6))


def test_shards_of_a_block_are_mixed():
    order = SampleOrder((50, 50), seed=0, shards_per_block=2)
    first_half = [order.address(position).shard for position in range(50)]
    assert 10 < first_half.count(0) < 40


def test_a_stand_in_depends_on_its_position_and_attempt_alone():
    order = SampleOrder((30, 30), seed=2)
    assert order.replacement(7, 1) == order.replacement(7, 1)
    drawn = {order.replacement(position, attempt) for position in range(10) for attempt in (1, 2)}
    assert len(drawn) > 10


def test_the_order_of_this_version_is_the_order_of_the_first():
    """A change of the order changes every training in progress: these addresses must stay."""
    order = SampleOrder((4, 3, 5), seed=11, shards_per_block=2)
    assert [(order.address(p).shard, order.address(p).row) for p in (0, 1, 2, 11, 12, 1_000_000)] == [
        (2, 4),
        (2, 1),
        (2, 2),
        (1, 2),
        (2, 1),
        (1, 2),
    ]
