"""The four demo accounts, the showcase first."""

from __future__ import annotations

from data.demo.acme import ACME
from data.demo.nordwind import NORDWIND
from data.demo.profiles import Profile
from data.demo.small_accounts import BLUEBIRD, TINKER

PROFILES: tuple[Profile, ...] = (ACME, NORDWIND, BLUEBIRD, TINKER)
PROFILE_BY_ID = {profile.id: profile for profile in PROFILES}
SANDBOX_ACCOUNT = TINKER.id
