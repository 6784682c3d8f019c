"""Which requirements the tests prove. A test proves an id by naming it in a docstring that says
`Catalogue H1, D2.`
"""

import re

from tests.architecture.catalogue import P0, P1, P2, named_ids

KNOWN = {*P0, *P1, *P2}


def test_tests_name_only_ids_that_exist() -> None:
    assert named_ids() - KNOWN == set()


def test_an_id_stands_in_one_priority_only() -> None:
    assert len(KNOWN) == len(P0) + len(P1) + len(P2)
    assert all(re.fullmatch(r"[A-Z]\d{1,2}", known) for known in KNOWN)
