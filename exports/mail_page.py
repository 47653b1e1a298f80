"""A notice as the HTML of a mail: tables and inline styles, because mail readers know no others.

Light and dark like the product's own pages; nothing is asked of any host. Everything that is put
in is escaped here.
"""

from __future__ import annotations

from html import escape

from billing.notices import Envelope, NoticeWords

TONES = {  # word, colour on light, ground on light, colour on dark, ground on dark
    "notice": ("Notice", "#3451d1", "#eef1fd", "#8ea2ff", "#1d2442"),
    "warning": ("Warning", "#8a4708", "#fdf3e4", "#f0b355", "#33270f"),
    "urgent": ("Urgent", "#8a4708", "#fbe3c0", "#ffc46b", "#47330d"),
    "critical": ("Critical", "#b42318", "#fdecea", "#ff8a80", "#3d1a1a"),
    "good": ("Recovered", "#0b7a55", "#e6f4ee", "#4cc38a", "#10291f"),
    "test": ("Test", "#4a5361", "#eceff3", "#b6bfcc", "#272d37"),
}
FONT = "Inter,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
@media (prefers-color-scheme: dark) {{
  .ground {{ background: #0e1116 !important; }}
  .card {{ background: #161a21 !important; border-color: #272d37 !important; }}
  .line {{ border-color: #272d37 !important; }}
  .ink {{ color: #eef1f5 !important; }}
  .ink2 {{ color: #b6bfcc !important; }}
  .ink3 {{ color: #8d97a6 !important; }}
  .link {{ color: #8ea2ff !important; }}
  .main {{ background: #8ea2ff !important; color: #0e1116 !important; }}
  .tone {{ color: {dark} !important; background: {dark_ground} !important; }}
}}
@media (max-width: 520px) {{
  .outside {{ padding: 12px 10px !important; }}
  .inside {{ padding: 20px 18px !important; }}
}}
</style>
</head>
"""
_CELL = "padding:9px 0;border-top:1px solid #e4e7ec;font-size:14px;line-height:20px"


def page(words: NoticeWords, envelope: Envelope, tone: str) -> str:
    """The whole document. ``words``: tidied; ``tone``: one of ``TONES``."""
    word, color, ground, dark, dark_ground = TONES[tone]
    head = _HEAD.format(title=escape(words.title), dark=dark, dark_ground=dark_ground)
    badge = (
        f'<span class="tone" style="display:inline-block;padding:3px 10px;border-radius:9px;'
        f'background:{ground};color:{color};font-size:12px;line-height:18px;font-weight:600">'
        f"{escape(word)}</span>"
    )
    owner = escape(envelope.account_name or "For those who run the product")
    parts = [
        f'<div style="margin-bottom:14px">{badge}<span class="ink3" style="color:#6b7482;'
        f'font-size:13px;padding-left:10px">{owner}</span></div>',
        *_answer(words), *_text(words), _table(words), _button(envelope),
    ]  # fmt: skip
    card = (
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" class="card" '
        'style="background:#ffffff;border:1px solid #e4e7ec;border-radius:12px;'
        'border-collapse:separate"><tr><td class="inside" style="padding:26px 28px;'
        'overflow-wrap:anywhere">'
        f"{''.join(parts)}</td></tr></table>"
    )
    return (
        f'{head}<body class="ground" style="margin:0;padding:0;background:#f6f7f9">'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" class="ground" '
        f'style="background:#f6f7f9;font-family:{FONT}"><tr><td class="outside" align="center" '
        'style="padding:28px 16px"><table role="presentation" width="100%" cellpadding="0" '
        'cellspacing="0" style="max-width:560px;text-align:left"><tr><td>'
        f"{_brand()}{card}{_foot(envelope)}</td></tr></table></td></tr></table></body></html>\n"
    )


def _brand() -> str:
    return (
        '<div class="ink" style="padding:0 2px 14px;font-size:14px;font-weight:650;color:#14181f">'
        '<span class="main" style="display:inline-block;width:12px;height:12px;border-radius:4px;'
        'background:#3451d1;margin-right:8px;vertical-align:-1px"></span>Usage Dashboard</div>'
    )


def _answer(words: NoticeWords) -> list[str]:
    """The title, and the figure that it is about."""
    parts = [
        '<h1 class="ink" style="margin:0 0 10px;font-size:19px;line-height:26px;font-weight:650;'
        f'color:#14181f">{_shown(words.title)}</h1>'
    ]
    if words.figures:
        label, text = words.figures[0]
        parts.append(
            f'<div class="ink3" style="color:#6b7482;font-size:13px">{escape(label)}</div>'
            '<div class="ink" style="margin:2px 0 12px;font-size:29px;line-height:36px;'
            f'font-weight:650;letter-spacing:-0.02em;color:#14181f">{_shown(text)}</div>'
        )
    return parts


def _text(words: NoticeWords) -> list[str]:
    """What happened, and what to do."""
    parts = [
        '<p class="ink2" style="margin:0 0 10px;font-size:14px;line-height:21px;color:#4a5361">'
        f"{_shown(each)}</p>"
        for each in words.sentences
    ]
    if words.action:
        parts.append(
            '<p class="ink" style="margin:14px 0;font-size:15px;line-height:22px;'
            f'font-weight:600;color:#14181f">{escape(words.action)}.</p>'
        )
    return parts


def _table(words: NoticeWords) -> str:
    """The other figures, a row each."""
    rows = "".join(
        f'<tr><td class="ink3 line" style="{_CELL};color:#6b7482;padding-right:16px;'
        f'vertical-align:top">{escape(label)}</td><td class="ink line" align="right" '
        f"style=\"{_CELL};color:#14181f;font-weight:550;font-feature-settings:'tnum'\">"
        f"{_shown(text)}</td></tr>"
        for label, text in words.figures[1:]
    )
    return (
        '<table width="100%" cellpadding="0" cellspacing="0" style="margin:16px 0 4px;'
        f'border-collapse:collapse">{rows}</table>'
        if rows
        else ""
    )


def _button(envelope: Envelope) -> str:
    if not envelope.view_url:
        return ""
    return (
        f'<a class="main" href="{escape(envelope.view_url)}" style="display:inline-block;'
        "margin-top:18px;padding:10px 18px;border-radius:8px;background:#3451d1;color:#ffffff;"
        'font-size:14px;font-weight:600;text-decoration:none">Open in Usage Dashboard</a>'
    )


def _foot(envelope: Envelope) -> str:
    mute = ""
    if envelope.mute_url:
        mute = (
            f'<br><a class="link" href="{escape(envelope.mute_url)}" style="color:#3451d1">'
            "No more of this</a>"
        )
    return (
        '<div class="ink3" style="padding:16px 4px 0;font-size:12.5px;line-height:19px;'
        f'color:#6b7482">You get this because your address was named for it.{mute}</div>'
    )


def _shown(text: str) -> str:
    """The text escaped; no line breaks behind a minus."""
    return escape(text).replace("−", "−&#8288;")
