"""Words that no agent may be called by, alone or across the words of a name. Pure.

The list is in ROT13, so that nobody reads it by accident. It is short, because it is for the names
that a source makes up by accident. A person who wants to offend will find a way.
"""

from __future__ import annotations

import codecs
from functools import cache
from itertools import accumulate

from namepool.core.names import letters

_ANYWHERE = """
avttn avttre jnaxre pbpxfhpx qvyqb shpx snttbg wvmm zbgures
"""
# These offend where a word begins or ends, but not within a word (as in the name of a town).
_AT_AN_EDGE = """
anmv cbea chffl cravf fuvg fyhg gheq gjng intvan jnax juber nefrubyr nffubyr obare obyybpxf
ohttre onfgneq ovgpu phag uvgyre
"""
_WHOLE_WORDS = """
ahqr anxrq arteb avccyr betl betnfz cbynpx cebfgvghgr cevpx chor chovp cnrqb cnrqbcuvyr cnxv
crqb crqbcuvyr cvff cvffrq cvzc dhrre dhrrs encr encrl encrq encvat encvfg enturnq ergneq
ergneqrq erpghz erqfxva evzwbo fbqbzl fcnfgvp fcvp fdhnj fgevccre fghcvq fhvpvqr fngnavfg
fnqvfg fpebghz fphz fpuybat frk frkhny frkl frzra funt fuvggl fuvgurnq fxnax fyhggl fynir
fzrtzn gbffre genaal gjvax gneq greebevfg grfgvpyr gubg gvg gvgf gvggl htyl ihyin jbc jbt
jrgonpx juvgrl kkk lvq nahf nany nefr nff nffshpx obaqntr obbo obbof ohgg ohggcyht ohggubyr
ohxxnxr ohyyfuvg onyyfnpx oqfz oryyraq ovzob oybjwbo pbba pbbyvr pbpx penc pergva pernzcvr
phpx phz phzfubg pubnq puvax pyvg qbhpur qbzvangevk qlxr qnexvr qnza qvpx qvpxurnq rebgvp
rerpgvba rwnphyngr sngfb snt srgvfu srypu sryyngvb svfgvat tbbx tbqqnza tlcfl tnatonat
travgny ubaxl ubbgref ubbxre ubeal ubybpnhfg ubzb uhfgyre unaqwbo uneqba urvy vaprfg vapry
vqvbg vzorpvyr whaxvr wnc wnpxbss wnpxnff wrexbss wrj wvunq xenhg xnssve xvxr xxx zbeba
zbyrfg zbyrfgre zheqrere znfgheongr zvatr
"""

_HARMLESS = frozenset({"debugger", "debuggers"})
"""Words of the trade that contain one of the words above."""

_DIGITS = str.maketrans("34578", "eastb")  # digits in a word stand for letters


def is_offensive(name: str) -> bool:
    """Tell whether ``name`` has an offensive word, or its words make one together."""
    words = [_read(word) for word in name.replace("-", " ").split()]
    words = [word for word in words if word not in _HARMLESS]
    if any(_singular(word) in _keys(_WHOLE_WORDS) for word in words):
        return True
    text = "".join(words)
    if any(key in text for key in _keys(_ANYWHERE)):
        return True
    edges = {0, *accumulate(map(len, words))}
    return any(_at_an_edge(key, text, edges) for key in _keys(_AT_AN_EDGE))


def _read(word: str) -> str:
    text = letters(word)
    return text.translate(_DIGITS) if any(map(str.isalpha, word)) else text


def _singular(word: str) -> str:
    known = _keys(_WHOLE_WORDS)
    return next((w for end in ("s", "es") if (w := word.removesuffix(end)) in known), word)


def _at_an_edge(key: str, text: str, edges: set[int]) -> bool:
    start = text.find(key)
    while start >= 0:
        if start in edges or start + len(key) in edges:
            return True
        start = text.find(key, start + 1)
    return False


@cache
def _keys(listed: str) -> frozenset[str]:
    return frozenset(map(letters, codecs.decode(listed, "rot13").split()))
