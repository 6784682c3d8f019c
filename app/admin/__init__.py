"""The private surface: the admin API, its documentation, and the operator's page."""
