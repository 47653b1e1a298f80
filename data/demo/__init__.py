"""The demo: four made-up accounts whose year of usage, prices and credits can be made again.

Everything is synthetic and says so: lines carry the flag ``synthetic``, price lists and credits
the word "(demo)". Knows the ledger's one path in; must not know screens or the API.
"""

from data.demo.accounts import SANDBOX_ACCOUNT
from data.demo.loader import AddPerson, DemoReport, Progress, extend_demo, load_demo
from data.demo.people import DEMO_PASSWORD, DEMO_PEOPLE, DemoPerson
from data.demo.sandbox import sandbox_tick
from data.demo.state import DemoProgress, read_progress

__all__ = [
    "DEMO_PASSWORD",
    "DEMO_PEOPLE",
    "SANDBOX_ACCOUNT",
    "AddPerson",
    "DemoPerson",
    "DemoProgress",
    "DemoReport",
    "Progress",
    "extend_demo",
    "load_demo",
    "read_progress",
    "sandbox_tick",
]
