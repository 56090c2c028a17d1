"""Pairs become groups."""

from search.grouping import Cluster, components, matched, stars, wholes


def members(clusters) -> list[list[int]]:
    return [sorted(cluster.members) for cluster in clusters]


def test_it_works():
    assert members(components([(1, 2), (2, 3), (7, 8)])) == [[1, 2, 3], [7, 8]]


def test_nothing_makes_no_groups():
    assert components([]) == stars([]) == wholes([]) == matched({}, []) == []


def test_the_order_of_the_pairs_does_not_matter():
    pairs = [(i, i + 1) for i in range(1, 200)]
    assert members(components(pairs[::-1])) == [list(range(1, 201))]


def test_alike_pictures_are_not_chained():
    chain = [(i, i + 1) for i in range(1, 9)]
    found = stars(chain)
    for cluster in found:
        assert all(
            (min(cluster.centre, m), max(cluster.centre, m)) in chain for m in cluster.members - {cluster.centre}
        )


def test_every_pair_of_alike_pictures_lies_in_a_group():
    pairs = [(1, 2), (1, 3), (2, 3), (3, 4), (4, 5), (5, 6), (4, 6), (1, 6)]
    found = stars(pairs)
    assert all(any({a, b} <= cluster.members for cluster in found) for a, b in pairs)


def test_pictures_that_are_all_alike_are_one_group():
    pairs = [(a, b) for a in range(1, 8) for b in range(a + 1, 8)]
    assert stars(pairs) == [Cluster(1, frozenset(range(1, 8)))]


def test_a_centre_stays_the_centre_while_others_are_as_good():
    pairs = [(1, 2), (2, 3), (1, 3)]
    assert stars(pairs, centres=[3])[0].centre == 3


def test_a_whole_is_shown_with_its_parts():
    found = wholes([(1, 5, 5), (2, 5, 5), (2, 7, 2)])
    assert found == [Cluster(2, frozenset({2, 7})), Cluster(5, frozenset({1, 2, 5}))]


def test_pictures_that_overlap_are_groups_of_two():
    found = wholes([(1, 2, None), (2, 3, None)])
    assert found == [Cluster(None, frozenset({1, 2})), Cluster(None, frozenset({2, 3}))]


class TestMatched:
    def test_a_group_that_grows_stays_the_same_group(self):
        old = {10: Cluster(None, frozenset({1, 2}))}
        assert matched(old, [Cluster(None, frozenset({1, 2, 3}))]) == [(10, Cluster(None, frozenset({1, 2, 3})))]

    def test_the_largest_piece_keeps_the_key(self):
        old = {10: Cluster(None, frozenset({1, 2, 3, 4, 5}))}
        pieces = [Cluster(None, frozenset({1, 2})), Cluster(None, frozenset({3, 4, 5}))]
        assert [key for key, _ in matched(old, pieces)] == [None, 10]

    def test_of_two_that_become_one_the_larger_goes_on(self):
        old = {10: Cluster(None, frozenset({1, 2})), 11: Cluster(None, frozenset({3, 4, 5}))}
        assert [key for key, _ in matched(old, [Cluster(None, frozenset({1, 2, 3, 4, 5}))])] == [11]

    def test_the_centre_counts_before_the_members(self):
        old = {10: Cluster(1, frozenset({1, 2, 3})), 11: Cluster(2, frozenset({1, 2, 3, 4}))}
        new = [Cluster(1, frozenset({1, 2, 3, 4}))]
        assert [key for key, _ in matched(old, new)] == [10]

    def test_an_overlap_that_stays_is_not_confused_with_one_that_goes(self):
        old = {10: Cluster(None, frozenset({1, 2})), 11: Cluster(None, frozenset({1, 3}))}
        assert [key for key, _ in matched(old, [Cluster(None, frozenset({1, 3}))])] == [11]
