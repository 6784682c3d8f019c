"""One vocabulary of log events and one of metrics, for every process."""
