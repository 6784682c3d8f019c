"""`signoff web`, `signoff admin`, `signoff worker`: the services that take no mail.

Each imports its own server when it is called, for none needs the others' pages.
"""

from app.wiring.validation import validated


def web() -> None:
    """Run the web service: one-click, callback API, pages."""
    from app.wiring.web import serve_web

    serve_web(validated())


def admin() -> None:
    """Run the admin service: admin API, its documentation, the operator's page."""
    from app.wiring.admin import serve_admin

    serve_admin(validated())


def worker() -> None:
    """Run the worker: changes become events, and events reach the brands' webhooks."""
    from app.wiring.worker import serve_worker

    serve_worker(validated())
