"""What every test shares: how hypothesis searches."""

import os

from hypothesis import HealthCheck, settings

# "ci" tries the same examples in every run, so a red test is red for everyone. "explore" looks for
# new ones: HYPOTHESIS_PROFILE=explore make test.
settings.register_profile(
    "ci",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
