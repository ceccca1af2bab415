"""Lanes: which are open for whom, and how those that serve the same carrier share its work."""

from collections import Counter

from channels.carriers import PORTED
from channels.lanes import Lane, Lanes, Standing, Ways, cost_of, pick

A = Lane("a", "sms", "p", 100, ("cmcc",), weight=3)
B = Lane("b", "sms", "p", 100, ("cmcc",), weight=1)
REST = Lane("rest", "sms", "p", 100)
ALL = Lanes([A, B, REST])


def standing(**standings: Standing) -> Lanes:
    return ALL.with_standings(standings)


def spread(ways: Ways) -> Counter[str]:
    """Where a thousand messages go."""
    return Counter(pick(*ways, n << 4) for n in range(1_000))


class TestWays:
    def test_those_that_name_the_carrier_share_its_work_by_weight(self) -> None:
        assert ALL.ways("sms", "cmcc") == (("a", "b", "rest"), (3, 1))
        assert spread(ALL.ways("sms", "cmcc")) == {"a": 750, "b": 250}

    def test_an_unknown_carrier_gets_those_that_take_all(self) -> None:
        assert ALL.ways("sms", "") == (("rest",), ())
        assert ALL.ways("voice", "cmcc") == ((), ())

    def test_a_ported_number_goes_by_those_that_take_all_and_then_by_any(self) -> None:
        assert ALL.ways("sms", PORTED) == (("rest", "a", "b"), ())
        assert Lanes([A, B]).ways("sms", PORTED).lanes == ("a", "b")

    def test_what_one_push_service_gave_out_no_other_can_use(self) -> None:
        web = Lane("web", "push", "push_web", 100, ("web",))
        rest = Lane("app", "push", "p", 100)
        lanes = Lanes([web, rest])
        assert lanes.ways("push", "web").lanes == ("web",)
        assert lanes.ways("push", "").lanes == ("app",)
        assert lanes.ways("push", "apns").lanes == ("app",), "where none is its own, one takes all"
        down = lanes.with_standings({"web": Standing(share=0)})
        assert down.ways("push", "web").lanes == ("web",)
        assert lanes.with_standings({"web": Standing(paused=True)}).ways("push", "web") == ((), ())

    def test_a_paused_one_gets_nothing_and_is_known_still(self) -> None:
        lanes = standing(a=Standing(paused=True))
        assert lanes.ways("sms", "cmcc").lanes == ("b", "rest")
        assert lanes.barred("sms", "cmcc", "n", "n@1", 1) == {"a": "paused"}
        assert "a" in lanes

    def test_an_operators_weight_goes_before_the_files(self) -> None:
        assert standing(a=Standing(weight=1)).ways("sms", "cmcc").weights == (1, 1)

    def test_what_moved_away_from_one_goes_to_the_others_of_its_carrier(self) -> None:
        assert standing(a=Standing(share=0)).ways("sms", "cmcc") == (("b", "rest", "a"), ())

    def test_what_the_only_one_does_not_carry_goes_to_those_that_take_all(self) -> None:
        lanes = Lanes([A, REST], {"a": Standing(share=25)})
        assert lanes.ways("sms", "cmcc") == (("a", "rest"), (1, 3))

    def test_a_lane_that_comes_back_gets_more_and_more(self) -> None:
        given = [
            spread(standing(a=Standing(share=share)).ways("sms", "cmcc"))["a"]
            for share in (5, 10, 25, 50, 100)
        ]
        assert given == sorted(given)
        assert given[0] < 150
        assert given[-1] == 750

    def test_where_all_are_down_work_waits_for_the_first(self) -> None:
        down = {name: Standing(share=0) for name in "ab"}
        lanes = Lanes([A, B], down)
        assert lanes.ways("sms", "cmcc") == (("a", "b"), ())


class TestWording:
    NAMED = Lane("named", "sms", "p", 1, wording={"fine": "registered", "tip": "refused"})

    def test_one_that_is_not_registered_is_barred(self) -> None:
        lanes = Lanes([self.NAMED])
        assert lanes.barred("sms", "", "fine", "fine@1", 1) == {}
        assert lanes.barred("sms", "", "tip", "tip@1", 1) == {"named": "wording"}
        assert lanes.barred("sms", "", "other", "other@1", 1) == {"named": "wording"}

    def test_a_star_speaks_for_all_that_are_not_named(self) -> None:
        lane = Lane("all", "sms", "p", 1, wording={"*": "registered", "tip": "submitted"})
        assert Lanes([lane]).barred("sms", "", "other", "other@1", 1) == {}
        assert Lanes([lane]).barred("sms", "", "tip", "tip@1", 1) == {"all": "wording"}

    def test_one_that_a_carrier_refused_is_barred_until_it_is_published_anew(self) -> None:
        lanes = Lanes([self.NAMED], {"named": Standing(stopped=frozenset({"fine@1"}))})
        assert lanes.barred("sms", "", "fine", "fine@1", 1) == {"named": "wording"}
        assert lanes.barred("sms", "", "fine", "fine@2", 1) == {}

    def test_a_notice_that_may_be_too_long_is_barred(self) -> None:
        lane = Lane("short", "sms", "p", 1, segments_max=2)
        assert Lanes([lane]).barred("sms", "", "n", "n@1", 2) == {}
        assert Lanes([lane]).barred("sms", "", "n", "n@1", 3) == {"short": "segments"}


def test_a_message_costs_by_the_segment_and_a_call_once() -> None:
    lanes = Lanes([Lane("a", "sms", "p", 1, cost=450), Lane("v", "voice", "p", 1, cost=1_200)])
    assert [cost_of(lanes, "a", 3), cost_of(lanes, "v", 0), cost_of(lanes, "gone", 2)] == [
        1_350, 1_200, 0,
    ]  # fmt: skip
