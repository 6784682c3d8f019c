"""Everything that speaks SMTP. It imports `app`; `app` never imports it."""
