"""The operator's page, on the admin listener: what waits, who leaves and why, deliveries, one
recipient, the fields of a mail.
"""
