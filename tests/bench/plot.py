# SPDX-License-Identifier: BSD-2-Clause
"""plot.py - login time against the number of accounts, as SVG

Two panels, both axes logarithmic: the C API with the bare work as a band, and libsasl2 with the
plugins that it has otherwise. Each line is named at its end; names that would overlap are moved
apart and tied to their line.
"""
import math
from html import escape

WIDTH, HEIGHT = 1270, 560
TOP, BOTTOM = 104, 78  # margins of the panels
PANELS = {"capi": (72, 390), "sasl": (720, 280)}  # left edge, width; names go to the right
LABEL_GAP = 17
COLOURS = ["#0b5394", "#3d85c6", "#38761d", "#b45f06", "#6aa84f", "#a64d79", "#741b47", "#cc0000"]
PEER_COLOURS = {"sasldb": "#b45f06", "sql-sqlite": "#a61c00", "ceiling": "#666666"}
PEER_NAMES = {"sasldb": "sasldb", "sql-sqlite": "sql (SQLite)",
              "ceiling": "ceiling: from memory"}
SASL_MECH = "CRAM-MD5"


def show_count(n):
    """10000000 as 10 M."""
    for size, letter in ((10 ** 6, "M"), (10 ** 3, "k")):
        if n >= size:
            return f"{n / size:g} {letter}"
    return f"{n:g}"


def by_size(figures, key="ours"):
    """{accounts: value} as points in order."""
    return sorted((figure["accounts"], figure[key]) for figure in figures if figure.get(key))


def capi_lines(figures):
    """Name, colour, points of each mechanism's whole dialogue."""
    own = [f for f in figures if f["group"] == "capi" and f["what"] == "login"]
    names = dict.fromkeys(f["case"] for f in own)
    return [(name, colour, by_size([f for f in own if f["case"] == name]))
            for name, colour in zip(names, COLOURS)]


def bare_band(figures):
    """(accounts, least, most) of the bare work of all mechanisms."""
    sizes = {}
    for figure in figures:
        if figure["group"] == "capi" and figure["what"] == "login" and figure.get("peer"):
            sizes.setdefault(figure["accounts"], []).append(figure["peer"])
    return [(n, min(values), max(values)) for n, values in sorted(sizes.items())]


def sasl_lines(figures):
    """Ours, our own mechanism, and each peer, for one mechanism."""
    own = [f for f in figures if f["group"] == "sasl" and f["what"] == "login"]
    lines = []
    for case, name, colour in ((SASL_MECH, "libmailauth", COLOURS[0]),
                               (f"{SASL_MECH}, own", "libmailauth, own mechanisms", COLOURS[1])):
        points = by_size([f for f in own if f["case"] == case])
        if points:
            lines.append((name, colour, sorted(dict(points).items())))
    for peer, colour in PEER_COLOURS.items():
        points = by_size([f for f in own if f["case"] == SASL_MECH and
                          f.get("peer_name") == peer], "peer")
        if points:
            lines.append((PEER_NAMES[peer], colour, points))
    return lines


class Panel:
    """One pair of axes, and where a point is on them."""

    def __init__(self, name, title, points):
        self.left, self.width = PANELS[name]
        self.title = title
        sizes = [x for x, _ in points]
        times = [y for _, y in points]
        self.x_low, self.x_high = math.log10(min(sizes)), math.log10(max(sizes))
        if self.x_low == self.x_high:
            self.x_low, self.x_high = self.x_low - 0.5, self.x_high + 0.5
        self.y_low = math.log10(min(times) / 1.3)
        self.y_high = math.log10(max(times) * 1.3)

    def x(self, accounts):
        """Pixels from the left."""
        share = (math.log10(accounts) - self.x_low) / (self.x_high - self.x_low)
        return self.left + share * self.width

    def y(self, us):
        """Pixels from the top."""
        share = (math.log10(us) - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def ticks(self):
        """1, 2 and 5 of each decade that is on the axis."""
        for exponent in range(math.floor(self.y_low), math.ceil(self.y_high) + 1):
            for digit in (1, 2, 5):
                us = digit * 10.0 ** exponent
                if self.y_low <= math.log10(us) <= self.y_high:
                    yield us

    def axes(self, sizes):
        """Grid, numbers, titles."""
        right, bottom = self.left + self.width, HEIGHT - BOTTOM
        out = [text(self.left, TOP - 18, self.title, "heading")]
        for us in self.ticks():
            out.append(line(self.left, self.y(us), right, self.y(us), "grid"))
            out.append(text(self.left - 8, self.y(us) + 4, f"{us:g}", "end"))
        for n in sizes:
            out.append(line(self.x(n), bottom, self.x(n), bottom + 5, "axis"))
            out.append(text(self.x(n), bottom + 21, show_count(n), "middle"))
        out.append(line(self.left, bottom, right, bottom, "axis"))
        out.append(text(self.left + self.width / 2, bottom + 44, "accounts in the store", "middle"))
        y = (TOP + bottom) / 2
        out.append(f'<text class="middle" transform="translate({self.left - 48:.1f} {y:.1f})'
                   ' rotate(-90)">µs per login (server\'s time)</text>')
        return out

    def curve(self, colour, points):
        """A line with a dot at each size."""
        path = " ".join(f"{self.x(n):.1f},{self.y(us):.1f}" for n, us in points)
        dots = "".join(f'<circle cx="{self.x(n):.1f}" cy="{self.y(us):.1f}" r="3.5"/>'
                       for n, us in points)
        return (f'<g stroke="{colour}" fill="{colour}"><polyline fill="none" stroke-width="2"'
                f' points="{path}"/>{dots}</g>')

    def band(self, triples, name):
        """Between the least and the most."""
        upper = [f"{self.x(n):.1f},{self.y(most):.1f}" for n, _, most in triples]
        lower = [f"{self.x(n):.1f},{self.y(least):.1f}" for n, least, _ in reversed(triples)]
        n, least, _ = triples[0]
        return [f'<polygon class="band" points="{" ".join(upper + lower)}"/>',
                text(self.x(n) + 10, self.y(least) + 20, name, "quiet")]

    def names(self, lines):
        """At the ends of the lines, moved apart."""
        ends = sorted((self.y(points[-1][1]), self.x(points[-1][0]), name, colour,
                       points[-1][1]) for name, colour, points in lines)
        places = []
        for end in ends:
            places.append(max(end[0], places[-1] + LABEL_GAP if places else TOP))
        floor = HEIGHT - BOTTOM
        for i in range(len(places) - 1, -1, -1):
            places[i] = min(places[i], floor)
            floor = places[i] - LABEL_GAP
        out = []
        at = self.left + self.width + 26
        for place, (y, x, name, colour, us) in zip(places, ends):
            out.append(f'<path d="M{x + 5:.1f} {y:.1f}L{at - 4:.1f} {place:.1f}"'
                       f' stroke="{colour}" class="tie"/>')
            out.append(f'<text x="{at:.1f}" y="{place + 4:.1f}" fill="{colour}">{escape(name)}'
                       f' <tspan class="quiet">{us:.3g}</tspan></text>')
        return out


def text(x, y, what, kind):
    """One line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(what)}</text>'


def line(x1, y1, x2, y2, kind):
    """One straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def draw_panel(name, title, lines, band):
    """Axes, lines and names."""
    points = [point for _, _, own in lines for point in own]
    points += [(n, us) for n, *both in band for us in both]
    if not points:
        return []
    panel = Panel(name, title, points)
    out = panel.axes(sorted({n for n, _ in points}))
    if band:
        out += panel.band(band, "grey: the bare work alone (read, open, hash), least to most")
    out += [panel.curve(colour, own) for _, colour, own in lines]
    return out + panel.names(lines)


STYLE = """
text { font: 13px 'DejaVu Sans', 'Liberation Sans', Arial, sans-serif; fill-opacity: 1 }
.title { font-size: 19px; font-weight: bold }
.heading { font-size: 14px; font-weight: bold }
.quiet { fill: #666 }
.end { text-anchor: end; fill: #444 }
.middle { text-anchor: middle; fill: #444 }
.grid { stroke: #e4e4e4 }
.axis { stroke: #444 }
.band { fill: #e8e8e8 }
.tie { fill: none; stroke-width: 0.8; stroke-opacity: 0.6 }
"""


def draw(figures, machine):
    """The whole picture."""
    where = f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']};" \
            " tests/bench/run; medians, random users of the whole store"
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
           f' viewBox="0 0 {WIDTH} {HEIGHT}">',
           f"<style>{STYLE}</style>",
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
           text(24, 34, "What a login costs the server, by the number of accounts", "title"),
           text(24, 56, where, "quiet")]
    out += draw_panel("capi", "C API: a whole dialogue", capi_lines(figures), bare_band(figures))
    out += draw_panel("sasl", f"Through libsasl2: {SASL_MECH}", sasl_lines(figures), [])
    return "\n".join(out + ["</svg>", ""])
