# SPDX-License-Identifier: Unlicense
"""Plots as SVG, written by hand: bars with their spread, and lines over a logarithmic axis."""
import math

FONT = 'font-family="sans-serif" font-size="13"'
COLOURS = ("#1f6fb4", "#d2691e", "#2a8f4f", "#8a4fb0", "#b02a4f", "#5f5f5f")
OURS = "#1f6fb4"
OTHERS = "#a9b4c0"


def escape(text):
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text(x, y, what, anchor="start", more=""):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" %s %s>%s</text>' % (x, y, anchor, FONT, more, escape(what))


def number(x):
    return "{:,.0f}".format(x) if x >= 100 else "%.3g" % x


def write(path, width, height, parts):
    with open(path, "w", encoding="utf-8") as f:
        f.write('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">\n'
                '<rect width="100%%" height="100%%" fill="white"/>\n%s\n</svg>\n'
                % (width, height, width, height, "\n".join(parts)))


class Axis:
    """Values to places between `begin` and `end`."""

    def __init__(self, least, most, begin, end, is_logarithmic):
        self.is_logarithmic = is_logarithmic
        self.least = 10 ** math.floor(math.log10(least)) if is_logarithmic else 0.0
        self.most = 10 ** math.ceil(math.log10(most) - 1e-9) if is_logarithmic else most * 1.1
        self.begin, self.end = begin, end

    def place(self, value):
        if self.is_logarithmic:
            part = (math.log10(max(value, self.least)) - math.log10(self.least)) / math.log10(self.most / self.least)
        else:
            part = value / self.most
        return self.begin + part * (self.end - self.begin)

    def ticks(self):
        if self.is_logarithmic:
            decades = int(round(math.log10(self.most / self.least)))
            return [self.least * 10 ** i for i in range(decades + 1)]
        step = 10 ** math.floor(math.log10(self.most))
        step = next(s for s in (step / 5, step / 2, step) if self.most / s <= 8)
        return [step * i for i in range(int(self.most / step) + 1)]


def bars(path, title, unit, rows, is_logarithmic):
    """`rows`: (label, median, least, most); those whose label begins with mplog stand out."""
    left, right, top, step = 250, 760, 64, 26
    height = top + step * len(rows) + 30
    axis = Axis(max(min(r[2] for r in rows), 1e-3), max(r[3] for r in rows), left, right, is_logarithmic)
    parts = [text(16, 26, title, more='font-weight="bold"'), text(16, 46, unit, more='fill="#555"')]
    for tick in axis.ticks():
        x = axis.place(tick)
        parts.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/>' % (x, top - 4, x, height - 26))
        parts.append(text(x, height - 8, number(tick), "middle", 'fill="#555"'))
    for i, (label, median, least, most) in enumerate(rows):
        y = top + i * step
        colour = OURS if label.startswith("mplog") else OTHERS
        parts.append(text(left - 8, y + 14, label, "end"))
        parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="16" fill="%s"/>'
                     % (left, y + 1, max(axis.place(median) - left, 1), colour))
        parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#222"/>'
                     % (axis.place(least), y + 9, axis.place(most), y + 9))
        parts.append(text(axis.place(most) + 6, y + 14, number(median)))
    write(path, 860, height, parts)


def lines(path, title, x_unit, y_unit, series):
    """`series`: name -> list of (x, median, least, most)."""
    points = [p for found in series.values() for p in found]
    across = Axis(max(min(p[0] for p in points), 1), max(p[0] for p in points), 70, 620, True)
    up = Axis(1, max(p[3] for p in points), 380, 60, False)
    parts = [text(16, 26, title, more='font-weight="bold"'), text(16, 46, y_unit, more='fill="#555"'),
             text(620, 420, x_unit, "end", 'fill="#555"')]
    for tick in up.ticks():
        parts.append('<line x1="70" y1="%.1f" x2="620" y2="%.1f" stroke="#ddd"/>' % (up.place(tick), up.place(tick)))
        parts.append(text(62, up.place(tick) + 4, number(tick), "end", 'fill="#555"'))
    for tick in across.ticks():
        parts.append(text(across.place(tick), 398, number(tick), "middle", 'fill="#555"'))
    for i, (label, found) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        places = " ".join("%.1f,%.1f" % (across.place(p[0]), up.place(p[1])) for p in found)
        parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>' % (places, colour))
        for x, median, least, most in found:
            parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>'
                         % (across.place(x), up.place(least), across.place(x), up.place(most), colour))
            parts.append('<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>'
                         % (across.place(x), up.place(median), colour))
        parts.append('<rect x="640" y="%d" width="12" height="12" fill="%s"/>' % (62 + 22 * i, colour))
        parts.append(text(658, 73 + 22 * i, label))
    write(path, 860, 436, parts)
