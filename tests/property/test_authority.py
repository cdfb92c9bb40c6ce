"""Who may give rights: whatever the grants, nobody gives, changes or sees more than his own reach."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.accounts.authority import EVERYWHERE, administrators, may_change, may_give, seen
from hub.domain.permission import NOT_BY_TOKEN, ROLES, Access, Grant, Role

PLACES = {
    "one": ("hangzhou", "xihu"),
    "two": ("hangzhou", "yuhang"),
    "three": ("hangzhou", "xihu"),
    "far": ("ningbo", "haishu"),
}
AREAS = [(), ("hangzhou",), ("hangzhou", "xihu"), ("ningbo",), ("wenzhou",)]
GRANT = st.builds(
    lambda role, where: Grant(role, *where),
    # Administrators often, or hardly anybody would be allowed anything.
    st.one_of(st.just(Role.ADMINISTRATOR), st.sampled_from(Role)),
    st.one_of(
        st.sampled_from([*PLACES, "nowhere"]).map(lambda site: (site, ())),
        st.sampled_from(AREAS).map(lambda area: (None, area)),
    ),
)
GRANTS = st.lists(GRANT, max_size=4)


def access(grants: list[Grant], scope: frozenset[str] | None = None) -> Access:
    covered = {site: area for site, area in PLACES.items() if any(each.covers(site, area) for each in grants)}
    return Access("a-1", tuple(grants), covered, scope)


@given(held=GRANTS, wanted=GRANT)
def test_what_somebody_may_give_he_has_wherever_it_reaches(held: list[Grant], wanted: Grant) -> None:
    giver = access(held)
    if not may_give(giver, wanted):
        return
    for site, area in PLACES.items():
        if wanted.covers(site, area):
            assert ROLES[wanted.role] <= giver.permissions(site)
            assert giver.may("account.edit", site)
    # Also over what there is no school in yet: an area is given by who holds it, or one around it.
    if wanted.site is None:
        assert any(each.site is None and wanted.area[: len(each.area)] == each.area for each in held)


@given(held=GRANTS, wanted=GRANT)
def test_an_administrator_gives_everything_and_a_token_of_his_nothing(held: list[Grant], wanted: Grant) -> None:
    giver = access([*held, EVERYWHERE])
    assert may_give(giver, wanted)  # and takes away what is for a school that went
    assert not may_give(
        access([*held, EVERYWHERE], frozenset(ROLES[Role.ADMINISTRATOR] - NOT_BY_TOKEN)), wanted
    )


@given(held=GRANTS, theirs=GRANTS)
def test_who_is_changed_has_nothing_that_the_other_could_not_have_given(
    held: list[Grant], theirs: list[Grant]
) -> None:
    actor = access(held)
    allowed = may_change(actor, theirs)
    assert allowed is (all(may_give(actor, grant) for grant in theirs) if theirs else EVERYWHERE in held)
    if allowed:
        subject = access(theirs)
        for site in subject.sites:
            assert subject.permissions(site) <= actor.permissions(site)


@given(held=GRANTS, theirs=GRANTS)
def test_only_what_reaches_into_ones_area_is_seen(held: list[Grant], theirs: list[Grant]) -> None:
    viewer = access(held)
    mine = viewer.sites_where("account.read")
    for grant in theirs:
        reaches = any(grant.covers(site, PLACES[site]) for site in mine)
        if reaches:
            assert grant in seen(viewer, theirs)
        elif grant in seen(viewer, theirs):  # an area without a school yet that is the viewer's
            assert any("account.read" in ROLES[each.role] for each in held)
            assert not any(grant.covers(site, area) for site, area in PLACES.items() if site not in mine)


@given(accounts=st.dictionaries(st.sampled_from(["a", "b", "c"]), GRANTS))
def test_an_administrator_of_one_area_is_not_one_of_the_hub(accounts: dict[str, list[Grant]]) -> None:
    found = administrators(accounts)
    assert found == {name for name, grants in accounts.items() if Grant(Role.ADMINISTRATOR) in grants}
