"""What all tests of the pages have in common."""

from tests.app.conftest import digits

__all__ = ["digits"]
