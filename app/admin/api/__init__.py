"""The admin API: one table of operations (`table`), which the routes, the OpenAPI document and the
page for people are all made from.
"""
