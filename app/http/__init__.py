"""What any process that speaks HTTP needs: listeners, guarded connections, answers, errors, health.
It knows no page and no brand.
"""
