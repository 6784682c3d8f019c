"""One gettext catalogue a language: `<tag>.po`, its message ids the keys that the pages use."""
