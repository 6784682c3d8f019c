"""A brand's templates: what they may hold, and what they give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import RuleViolation
from app.core.template import MAX_TEMPLATE_CHARS, Template, percent_encoded


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("plain text", "plain text"),
        ("{{UserAttribute['ID']|default('none')}}", "a?>b"),
        ('{{ UserAttribute["ID"] | default("none") }}', "a?>b"),
        ("{{UserAttribute['Other']|default('none')}}", "none"),
        ("{{UserAttribute['Empty']|default('none')}}", ""),
        ("{{UserAttribute['Empty']|default('none', true)}}", "none"),
        ("{{UserAttribute['Other']|d('none')|upper}}", "NONE"),
        ("{{UserAttribute['Name']|default('x')|trim|lower}}", "zoë"),
        ("{{UserAttribute['Name']|default('x')|urlencode}}", "%20Zo%C3%AB%20"),
        ("{{UserAttribute['Other']|default(UserAttribute['ID']|default('x'))}}", "a?>b"),
        ("a{# a comment #}b{{'c'}}", "abc"),
        ("{{UserAttribute['keys']|default('safe')}}", "safe"),
        ("{{UserAttribute['__class__']|default('safe')}}", "safe"),
        ("{{UserAttribute['_values']|default('safe')}}", "safe"),
        ("\n", "\n"),
    ],
)
def test_what_a_template_gives(source: str, expected: str) -> None:
    """Catalogue L4: an attribute is what the sender said of the recipient, never a part of the
    mapping that holds it.
    """
    assert expected == Template(source).render({"ID": "a?>b", "Empty": "", "Name": " Zoë "})


@pytest.mark.parametrize(
    "source",
    [
        "{{'x'*10**9}}",
        "{{10**10**10}}",
        "{{UserAttribute['a'*10**9]|default('x')}}",
        "{% for a in range(10**9) %}{% for b in range(10**9) %}x{% endfor %}{% endfor %}",
        "{% set x = 1 %}",
        "{% if true %}x{% endif %}",
        "{% raw %}{{x}}{% endraw %}{% include 'a' %}",
        "{% macro m() %}x{% endmacro %}{{m()}}",
        "{{range(10**9)|join}}",
        "{{UserAttribute}}",
        "{{UserAttribute|default('x')}}",
        "{{UserAttribute.ID|default('x')}}",
        "{{UserAttribute[0]|default('x')}}",
        "{{UserAttribute['a']['b']|default('x')}}",
        "{{UserAttribute['a'](1)|default('x')}}",
        "{{Other['a']|default('x')}}",
        "{{UserAttribute['a']|default('x')|center(1000000000)}}",
        "{{UserAttribute['a']|default('x')|attr('__class__')}}",
        "{{UserAttribute['a']|default}}",
        "{{UserAttribute['a']|default('x', true, 3)}}",
        "{{UserAttribute['a']|default(default_value='x')}}",
        "{{UserAttribute['a']|default(*['x'])}}",
        "{{UserAttribute['a']|lower|default('x')}}",
        "{{UserAttribute['a']|default(1)}}",
        "{{''.__class__.__mro__}}",
        "{{self}}",
        "{{lipsum()}}",
        "{{cycler}}",
        "{{[1, 2]}}",
        "{{'a' ~ 'b'}}",
        "{{UserAttribute['a']",
        "{{" + "(" * 900 + "}}",
        "{{'x'" + "|trim" * 11 + "}}",
        "x" * (MAX_TEMPLATE_CHARS + 1),
    ],
)
def test_a_template_that_could_do_more_is_refused_before_it_is_compiled(source: str) -> None:
    """Catalogue L4: nothing of it is ever computed, so there is no time or memory to limit."""
    with pytest.raises(RuleViolation):
        Template(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{UserAttribute['ID']}}",
        "{{UserAttribute['ID']|upper}}",
        "{{UserAttribute['A']|default(UserAttribute['B'])}}",
    ],
)
def test_an_attribute_without_a_default_is_refused_and_the_message_says_so(source: str) -> None:
    """Catalogue L4; MoEngage's documents ask for a default in the link and in the identifier."""
    with pytest.raises(RuleViolation, match=r"no default; write .*default"):
        Template(source)


def test_only_what_expressions_give_is_encoded() -> None:
    template = Template(
        "/?a=b&c={{UserAttribute['A']|default('d e')}}&{{UserAttribute['B']|d('x')|urlencode}}",
        encode=percent_encoded,
    )

    assert "/?a=b&c=d%20e&%25%2F" == template.render({"B": "%/"})


@given(st.text(max_size=60))
def test_no_value_can_leave_its_place_in_a_url(value: str) -> None:
    """Catalogue H7, L2: only unreserved characters and percent signs remain."""
    made = Template("{{UserAttribute['A']|default('d')}}", encode=percent_encoded).render(
        {"A": value}
    )

    assert set(made) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%")


@given(st.text(alphabet="{}%#'\"|()[]UserAttributedefault x*0.", max_size=60))
def test_any_text_is_a_template_or_refused(source: str) -> None:
    """Catalogue L4."""
    try:
        template = Template(source)
    except RuleViolation:
        return

    assert len(template.render({"A": "b"})) <= len(source)
