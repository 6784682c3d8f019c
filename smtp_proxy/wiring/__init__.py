"""The composition root of the SMTP side: what its processes share; one module beside this for each
process.
"""

from app.wiring.health import health

__all__ = ["health"]
