"""The people of the demo: their sign-in is shown on the sign-in page of a demo only."""

from __future__ import annotations

from dataclasses import dataclass

DEMO_PASSWORD = "demo-password-2026"
EVERY_ACCOUNT = "*"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody to sign in as. ``blurb``: one line for the sign-in page."""

    email: str
    name: str
    role: str
    account_id: str
    blurb: str


DEMO_PEOPLE: tuple[DemoPerson, ...] = (
    DemoPerson(
        "owner@acme.example", "Priya Raman", "owner", "acme-outreach",
        "Owner of Acme Outreach: Growth, INR",
    ),
    DemoPerson(
        "manager@acme.example", "Marco Diaz", "manager", "acme-outreach",
        "Manager of Acme Outreach: reads and exports",
    ),
    DemoPerson(
        "owner@nordwind.example", "Nora Winter", "owner", "nordwind-energie",
        "Owner of Nordwind Energie: Scale, EUR",
    ),
    DemoPerson(
        "owner@bluebird.example", "Blair Finch", "owner", "bluebird-dental",
        "Owner of Bluebird Dental: Launch, USD",
    ),
    DemoPerson(
        "owner@tinkerlab.example", "Tess Kerr", "owner", "tinker-lab",
        "Owner of Tinker Lab: Free, sandbox only",
    ),
    DemoPerson(
        "support@usage.example", "Sam Porter", "support", EVERY_ACCOUNT,
        "Support agent: sees every account",
    ),
    DemoPerson(
        "admin@usage.example", "Ada Minton", "admin", EVERY_ACCOUNT,
        "Administrator: sees every account",
    ),
)  # fmt: skip
