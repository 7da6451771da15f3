"""Names from a language model: the files in the order in which a request lives.

``prompt`` (with ``subjects``) says what is asked, ``endpoint`` (``secrets``, ``vendors``) where and
by whom, ``transport`` (``connections``, ``unpacking``) carries it within a deadline. ``ladder`` and
``retry`` say what an error means, ``reply`` (``texts``, ``fragments``) what an answer says, and
``chunk`` keeps its names. ``asking`` puts one question through all of this, ``nomenclater`` as many
as a chunk takes.

It imports ``core``, ``errors``, ``actors.forks`` and ``sources.base``; ``sources`` and the command
import it.
"""
