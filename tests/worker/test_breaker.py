"""The circuit breaker of one endpoint, by a clock of the test's own."""

from app.worker.breaker import Breaker


def test_it_opens_after_failures_in_a_row_and_pauses_double_up_to_a_longest() -> None:
    breaker, now, pauses = Breaker(failures=3, first_pause_ms=10, longest_pause_ms=50), 0, []
    for _ in range(2):
        breaker.failed(now)
    closed = not breaker.is_open(now)

    for _ in range(5):
        breaker.failed(now)
        pauses.append(breaker.open_until_ms - now)
        now = breaker.open_until_ms

    assert closed
    assert [10, 20, 40, 50, 50] == pauses


def test_failures_of_requests_that_were_under_way_together_open_it_once() -> None:
    breaker = Breaker(failures=2, first_pause_ms=10)
    for _ in range(8):
        breaker.failed(0)

    assert 10 == breaker.open_until_ms


def test_when_the_pause_is_over_it_probes_and_one_success_closes_it() -> None:
    breaker = Breaker(failures=1, first_pause_ms=10)
    breaker.failed(0)
    probing = (breaker.is_open(9), breaker.is_open(10), breaker.is_probing)

    breaker.succeeded()

    assert (True, False, True) == probing
    assert (False, False) == (breaker.is_open(0), breaker.is_probing)
