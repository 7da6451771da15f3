"""The default themes of a nomenclater. This is only data. No theme contains a name to copy."""

from __future__ import annotations

JARGON = (
    *("the folklore of programmers", "version control and its regrets", "compilers with opinions"),
    *("the night shift of a data centre", "archaeologists of legacy code", "caches and queues"),
    *("concurrency and its near misses", "the etiquette of protocols", "regular expressions"),
    *("spreadsheets that rule kingdoms", "maintainers of open source", "floating-point mishaps"),
    *("keyboards, keys and shortcuts", "recursion and its relatives", "a help desk at full moon"),
    *("punctuation with ambitions", "command lines and their spells", "bugs and who hunts them"),
)
"""Words of the trade of programmers, taken literally."""

PULP = (
    *("hard-boiled detectives of small matters", "space opera", "mad science fairs"),
    *("explorers of lost worlds", "masked avengers of quiet towns", "the weird west"),
    *("spies with day jobs", "haunted radio plays", "serials that stop in mid-sentence"),
    *("airship pirates", "robots in film noir", "time travellers who are late"),
    *("wizards of the civil service", "monsters on holiday", "gentleman burglars"),
)
"""Subjects of old paperback covers."""

PUNS = (
    *("puns that are heard when read aloud", "first names and surnames that make a phrase"),
    *("puns on electronics", "puns on mathematics", "puns on baking", "puns on the weather"),
    *("puns on music", "puns on tools and hardware", "puns on travel", "puns on files and folders"),
)
"""Names with a second meaning when they are read aloud."""

QUIET = (
    *("lighthouses and fog horns", "a night market on the moon", "the back room of a bakery"),
    *("polar expeditions that packed too much", "a clockmaker's attic", "gardens after rain"),
    *("retired sea captains", "libraries with secret stairs", "folk tales told by foxes"),
    *("a travelling circus of mathematicians", "old maps and their dragons", "beekeepers"),
    *("kitchen appliances with ambitions", "mountain railways", "early computers"),
    *("a brass band in a thunderstorm", "tea houses of the high desert", "kites and weather"),
    *("underwater post offices", "a museum of lost umbrellas", "balloonists", "star-gazers"),
    *("knitting circles and conspiracies of yarn", "bridge builders", "mushroom hunters"),
    *("a village of inventors", "ferrymen and river spirits", "chess players in parks"),
)
"""Quiet places and trades."""

THEMES = (*JARGON, *PULP, *PUNS, *QUIET)

EXAMPLES = (
    *("Otto Mated", "Chet Electron", "Anna Log", "Ada the Yak Shaver", "Bea Sharp"),
    *("Baron von Backspace", "Wanda of the Windmills", "Cliff Hanger", "Nils Pointer"),
)
"""Names that show the form. A request contains two. A name like them in a reply is a copy."""
