"""Names from a language model: the files in the order in which a request lives.

``prompt`` says what is asked, ``endpoint`` where and by whom, ``transport`` carries it within a
deadline, ``reply`` reads what came (``texts``: what the model wrote; ``retry``: what an error
means), ``chunk`` keeps the names, and ``nomenclater`` goes through all of it.
"""
